// Conformance cases 85 and 86: packets of a datagram tunnel over TLS.

import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { expect } from 'chai';
import { encodeFrame } from '../../src/rstream/frame.ts';
import { FramedPackets } from '../../src/rstream/framed-packets.ts';
import type { PacketStream } from '../../src/rstream/stream.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { dialBack } from '../support/streams.ts';

describe('packets over TLS', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const flow = async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened, { type: 'datagram', publish: false }, { type: 'datagram' });
    const { dialled } = await dialBack(engine, opened.control);
    const stream = await tunnel.accept();
    if (stream?.kind !== 'packets') throw new Error('expected a flow of packets');
    return { dialled, packets: (stream satisfies PacketStream).packets };
  };

  it('case 85: packets of 0, 1, 1200 and 65 535 bytes arrive as they were sent', async () => {
    const { dialled, packets } = await flow();
    const sizes = [0, 1, 1_200, 65_535];
    const contents = sizes.map((size) => randomBytes(size));
    const received: Buffer[] = [];
    packets.receive((packet) => received.push(Buffer.from(packet)));
    for (const content of contents) dialled.raw(encodeFrame(content));
    await eventually('all packets arrived', () => received.length === sizes.length);
    const sent = contents.map((content) => packets.send(content));
    const frames = [];
    for (const size of sizes) frames.push(await dialled.bytes(4 + size));

    expect(received.map((packet, at) => packet.equals(contents[at] ?? packet))).to.not.include(false);
    expect(sent).to.deep.equal([true, true, true, true]);
    expect(frames.map((frame) => frame.readUInt32BE(0))).to.deep.equal(sizes);
    expect(frames.map((frame, at) => frame.subarray(4).equals(contents[at] ?? frame))).to.not.include(false);
  });

  it('case 86: a length of 65 536 closes the flow', async () => {
    const { dialled, packets } = await flow();
    packets.receive(() => {});
    dialled.raw(Buffer.of(0, 1, 0, 0));

    await packets.closed;
    await dialled.end();
  });

  it('refuses larger packets, and any once closed', async () => {
    const { dialled, packets } = await flow();
    expect(packets.send(Buffer.alloc(65_536))).to.equal(false);
    packets.close();
    packets.close();
    await packets.closed;

    expect(packets.send(Buffer.alloc(1))).to.equal(false);
    await dialled.end();
  });

  it('drops packets instead of keeping them while the engine does not read', async () => {
    const { dialled, packets } = await flow();
    dialled.stream.pause();
    let sent = 0;
    await eventually('the queue is full', () => {
      for (let count = 0; count < 100; count += 1) {
        if (!packets.send(Buffer.alloc(60_000))) return true;
        sent += 1;
      }
      return false;
    });

    expect(sent).to.be.lessThan(2_000);
  });

  it('hands packets that come in pieces to whoever asked for them last', async () => {
    const { dialled, packets } = await flow();
    const received = { first: 0, second: 0 };
    packets.receive(() => (received.first += 1));
    dialled.raw(encodeFrame(Buffer.from('one')));
    await eventually('it arrived', () => received.first === 1);
    packets.receive(({ length }) => (received.second += length));
    for (let count = 0; count < 3; count += 1) dialled.raw(encodeFrame(Buffer.alloc(65_535)));
    await eventually('they arrived', () => received.second === 3 * 65_535);

    expect(received.first).to.equal(1);
  });

  it('hands over nothing once closed, though more arrives', async () => {
    const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(), final() {} });
    const packets = new FramedPackets(stream);
    const received: string[] = [];
    packets.receive((packet) => {
      received.push(String(packet));
      if (received.length === 2) packets.close();
    });
    stream.push(Buffer.concat(['one', 'two', 'three'].map((text) => encodeFrame(Buffer.from(text)))));
    await eventually('it was closed', () => received.length === 2);
    stream.push(encodeFrame(Buffer.from('four')));
    await eventually('all was read', () => stream.readableLength === 0);

    expect(received).to.deep.equal(['one', 'two']);
    stream.destroy();
  });

  it('waits only so long for an engine that does not read to take the last packets', async () => {
    const clock = new ManualClock();
    const stream = new Duplex({ read() {}, write() {} });
    const packets = new FramedPackets(stream, clock);
    expect(packets.send(Buffer.from('the last one'))).to.equal(true);
    packets.close();
    await clock.advance(4_999);
    expect(stream.destroyed).to.equal(false);
    await clock.advance(1);
    await packets.closed;

    expect(stream.destroyed).to.equal(true);
    expect(clock.pending).to.equal(0);
  });

  it('ends when the engine ends it', async () => {
    const { dialled, packets } = await flow();
    packets.receive(() => {});
    dialled.stream.end();
    await packets.closed;
  });
});
