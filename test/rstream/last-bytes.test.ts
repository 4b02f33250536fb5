// What is given time before an abort, over QUIC, where the abort takes along whatever is unread.

import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { lastBytes } from '../../src/rstream/last-bytes.ts';
import { QuicStream } from '../../src/rstream/quic-stream.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { SocketTable } from '../../src/rstream/socket-table.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { UdpProxy } from '../support/udp-proxy.ts';

const never = new AbortController().signal;

describe('lastBytes over QUIC', () => {
  let engine: ScriptedQuicEngine;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
  });
  afterEach(() => engine.stop());

  it('waits for a slow reader as long as it reads, and then not for ever', async () => {
    const transport = engine.transport();
    const { stream: reader } = await transport.connect({ engine: engine.address }, never);
    reader.write('open');
    const { stream: writer } = await engine.next();
    const bytes = 2 * 1024 * 1024;
    writer.write(Buffer.alloc(bytes));

    const clock = new ManualClock();
    let over = false;
    const unwritten = () => writer.writableLength > 0;
    void lastBytes({ stream: writer, unwritten, table: new SocketTable(clock), clock }).then(() => {
      over = true;
    });
    let received = 0;
    const read = () => (received += reader.read()?.length ?? 0);
    while (unwritten()) {
      const before = received;
      await eventually('something was read', () => read() > before || !unwritten(), { everyMs: 1 });
      await clock.advance(900);
      expect(over, `after ${received} bytes`).to.equal(false);
    }
    expect(clock.now()).to.be.greaterThan(5_000);
    await eventually('the rest was read', () => read() === bytes);
    await clock.advance(20_000);
    expect(over).to.equal(true);
    transport.close();
  });

  it('waits for a reader that makes pauses until it has all, before the abort takes it away', async () => {
    const transport = engine.transport();
    const { stream: reader } = await transport.connect({ engine: engine.address }, never);
    reader.write('open');
    const { stream: writer } = await engine.next();
    const bytes = 512 * 1024;
    writer.write(Buffer.alloc(bytes));
    let received = 0;
    const read = (size?: number) => {
      for (let chunk = reader.read(size); chunk; chunk = size ? null : reader.read())
        received += chunk.length;
      return received;
    };
    const clock = new ManualClock();
    let over = false;
    const unwritten = () => writer.writableLength > 0;
    const settled = () => [reader, writer].every((each) => each instanceof QuicStream && each.arrived);
    void lastBytes({ stream: writer, unwritten, table: new SocketTable(clock), clock }).then(() => {
      over = true;
    });
    while (!over) {
      await clock.advance(1_200);
      if (received < bytes) read(16 * 1024);
      await eventually('both know of each other what there is to know', settled, { everyMs: 1 });
    }
    (writer as QuicStream).reset();
    await eventually('it sees the abort', () => reader.errored ?? undefined);
    expect(read()).to.equal(bytes);
    transport.close();
  });

  it('waits for what the network has not delivered, longer than for a reader', async () => {
    const proxy = await UdpProxy.start(engine.listener.port);
    const material = { ca: engine.ca };
    const transport = new QuicTransport({ clock: systemClock, material: () => material });
    const address = { host: 'localhost', port: proxy.port };
    const { stream: reader } = await transport.connect({ engine: address }, never);
    reader.write('open');
    const { stream: writer } = await engine.next();
    proxy.loses = () => true;
    writer.write('word');

    const clock = new ManualClock();
    let over = false;
    const unwritten = () => writer.writableLength > 0;
    void lastBytes({ stream: writer, unwritten, table: new SocketTable(clock), clock }).then(() => {
      over = true;
    });
    await clock.advance(2_000);
    expect(over).to.equal(false);
    proxy.loses = () => false;
    await eventually('it arrived', () => writer instanceof QuicStream && writer.arrived);
    await clock.advance(2_000);
    expect(over).to.equal(true);
    transport.close();
    proxy.stop();
  });
});
