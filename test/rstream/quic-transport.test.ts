// The ways that QUIC may be told to leave this machine.

import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { createNetworkPath, type NetworkSettings } from '../../src/rstream/network-path.ts';
import type { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { fromZone, ScriptedDns } from '../support/scripted-dns.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { readBytes, rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('QuicTransport', () => {
  let engine: ScriptedQuicEngine;
  let transport: QuicTransport | undefined;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
  });
  afterEach(async () => {
    transport?.close();
    await engine.stop();
  });

  const connect = (settings: NetworkSettings, host = 'localhost') => {
    transport = engine.transport({
      path: createNetworkPath(settings, systemClock),
      ...(host === 'engine.private.test' && { serverName: 'localhost' }),
    });
    return transport.connect({ engine: { ...engine.address, host } }, never);
  };
  /** Carries bytes; returns where the engine sees the client. */
  const works = async (settings: NetworkSettings, host?: string) => {
    const { stream } = await connect(settings, host);
    stream.write('ping');
    const side = await engine.next();
    side.raw(await side.bytes(4));
    expect(String(await readBytes(stream, 4))).to.equal('ping');
    return engine.client?.host;
  };

  it('leaves from the address it is bound to', async () => {
    expect(await works({ bind: { mode: 'address', address: '127.0.0.2' } })).to.equal('127.0.0.2');
  });

  it('leaves from the interface it is bound to', async () => {
    expect(await works({ bind: { mode: 'interface', interface: 'lo' }, family: 4 })).to.equal('127.0.0.1');
    const error = await rejection(connect({ bind: { mode: 'interface', interface: 'none0' } }));
    expect(error).to.have.property('message').that.contains('no network interface none0');
  });

  it('uses the only family allowed', async () => {
    expect(await works({ family: 4 })).to.equal('127.0.0.1');
    const error = await rejection(connect({ family: 6 }, '127.0.0.1'));
    expect(error).to.have.property('message').that.contains('not an IPv6 address');
  });

  it('finds the engine with the DNS server it is told to ask', async () => {
    const dns = await ScriptedDns.start();
    try {
      dns.answer = fromZone({ 'engine.private.test': { A: ['127.0.0.1'] } });
      const override = `127.0.0.1:${dns.port}`;
      expect(await works({ dns: { override } }, 'engine.private.test')).to.equal('127.0.0.1');
    } finally {
      dns.stop();
    }
  });
});
