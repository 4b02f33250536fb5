import { create } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Tunnel } from '../../src/dev-engine/tunnel.ts';
import { UdpEdge } from '../../src/dev-engine/udp-edge.ts';
import type { PacketChannel } from '../../src/rstream/packet-channel.ts';
import { ManualClock } from '../support/manual-clock.ts';

const name = 'packets.t.engine.test';

/** A flow whose agent is the test. */
class TestPackets implements PacketChannel {
  readonly maxPacketBytes = 65_535;
  readonly sent: string[] = [];
  readonly #closed = Promise.withResolvers<void>();
  readonly closed = this.#closed.promise;
  answer: (packet: Buffer) => void = () => {};

  send(packet: Uint8Array): boolean {
    this.sent.push(String(packet));
    return true;
  }

  receive(handler: (packet: Buffer) => void): void {
    this.answer = handler;
  }

  close(): void {
    this.#closed.resolve();
  }
}

describe('UdpEdge', () => {
  let clock: ManualClock;
  let edge: UdpEdge;
  let opened: TestPackets[];
  let answers: string[];
  let opening: Promise<void>;
  /** How often it was somebody's turn. */
  let turns: number;
  const visitor = (port: number) => ({ host: '127.0.0.1', port });
  beforeEach(() => {
    clock = new ManualClock();
    opened = [];
    answers = [];
    opening = Promise.resolve();
    turns = 0;
    const tunnel: Tunnel = {
      id: 't1',
      owner: { id: 'c1', user: 'u', open: true, send: () => true },
      properties: create(TunnelPropertiesSchema, { type: 'datagram', protocol: 'quic' }),
      createdAt: clock.date(),
      route: `host:${name}`,
      checkAddress: (address) => (address === '192.0.2.9' ? 'not allowed' : undefined),
      streams: new Set(),
      acceptTls: undefined,
      retire: () => {},
    };
    edge = new UdpEdge({
      clock,
      routes: {
        routeOf: (host) => (host === name ? `host:${name}` : undefined),
        peek: () => tunnel,
        pick: () => {
          turns += 1;
          return tunnel;
        },
      },
      broker: {
        openPackets: async () => {
          await opening;
          const packets = new TestPackets();
          opened.push(packets);
          return packets;
        },
      },
      send: (packet, { port }) => void answers.push(`${port} ${packet}`),
      idleMs: 1_000,
      maxFlows: 3,
    });
  });

  it('gives each visitor a flow of its own, and answers to whoever asked', async () => {
    for (const port of [1, 2]) edge.begin(name, [Buffer.from(`hello ${port}`)], visitor(port));
    await clock.advance(0);
    expect(edge.intercept(Buffer.from('more'), visitor(2))).to.equal(true);
    expect(edge.intercept(Buffer.from('stranger'), visitor(9))).to.equal(false);
    opened[1]?.answer(Buffer.from('answer'));
    expect(opened.map(({ sent }) => sent)).to.deep.equal([['hello 1'], ['hello 2', 'more']]);
    expect(answers).to.deep.equal(['2 answer']);
  });

  it('takes a turn of those who share a name for each visitor, and none to look whether anybody has it', () => {
    expect(edge.isTunnel(name)).to.equal(true);
    expect(turns).to.equal(0);
    edge.begin(name, [Buffer.from('hello')], visitor(1));
    expect(turns).to.equal(1);
  });

  it('has room for so many flows, and again when one has ended', async () => {
    for (const port of [1, 2, 3, 4]) edge.begin(name, [Buffer.from('hello')], visitor(port));
    await clock.advance(0);
    expect(edge.flows).to.equal(3);
    expect(edge.intercept(Buffer.from('one too many'), visitor(4))).to.equal(false);
    opened[0]?.close();
    await clock.advance(0);
    expect(edge.flows).to.equal(2);
    edge.begin(name, [Buffer.from('hello')], visitor(4));
    expect(edge.flows).to.equal(3);
  });

  it('forgets a flow after silence in both directions, and tells the agent', async () => {
    edge.begin(name, [Buffer.from('hello')], visitor(1));
    await clock.advance(900);
    opened[0]?.answer(Buffer.from('still here'));
    await clock.advance(900);
    expect(edge.flows).to.equal(1);
    await clock.advance(100);
    expect(edge.flows).to.equal(0);
    await opened[0]?.closed;
    expect(clock.pending).to.equal(0);
  });

  it('keeps a bounded number of packets for an agent that has not answered yet', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    opening = promise;
    edge.begin(name, [], visitor(1));
    for (let count = 0; count < 200; count += 1) edge.intercept(Buffer.from('early'), visitor(1));
    resolve();
    await clock.advance(0);
    expect(opened[0]?.sent).to.have.length(64);
  });

  it('lets nobody in whose address may not pass', async () => {
    edge.begin(name, [Buffer.from('hello')], { host: '192.0.2.9', port: 1 });
    await clock.advance(0);
    expect(edge.flows).to.equal(0);
    expect(opened).to.deep.equal([]);
  });
});
