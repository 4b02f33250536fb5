// The socket that comes of dialling a Service; the ways in which none does are the forwarder's tests.

import { expect } from 'chai';
import { dialTarget } from '../../src/agent/target.ts';
import { systemClock } from '../../src/common/clock.ts';
import { eventually } from '../support/eventually.ts';
import { keepAliveInMs, twoWritesMs } from '../support/kernel-view.ts';
import { tcpService } from '../support/tcp-service.ts';

describe('dialTarget', () => {
  it('makes a socket that holds no small writes back and looks for a lost peer', async () => {
    const service = await tcpService(() => {});
    const memory = Buffer.alloc(16);
    const sink = {
      buffer: () => memory,
      // The sink has what arrives, and who listens to the socket nothing.
      received: (bytes: number) => socket.emit('data', memory.subarray(0, bytes)),
    };
    const target = { host: '127.0.0.1', port: service.port };
    const signal = new AbortController().signal;
    const socket = await dialTarget({ target, sink, clock: systemClock, timeoutMs: 30_000, signal });
    try {
      const theirs = await eventually('it is accepted', () => [...service.sockets][0]);
      expect(await twoWritesMs(socket, theirs)).to.be.lessThan(20);
      const look = () => keepAliveInMs(socket.localPort);
      const ms = await eventually('the kernel will look', look, { timeoutMs: 10_000 });
      expect(ms).to.be.within(0, 30_000);
    } finally {
      socket.destroy();
      await service.close();
    }
  });
});
