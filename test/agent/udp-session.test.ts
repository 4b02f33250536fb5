import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { type UdpSessionOptions, udpSession } from '../../src/agent/udp-session.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { rejection } from '../support/streams.ts';
import { TestPackets } from '../support/test-packets.ts';

describe('udpSession', () => {
  let service: Socket;
  let packets: TestPackets;
  let clock: ManualClock;
  let drops: number;
  /** Whether the Service was there, each time that turned. */
  let reached: boolean[];
  const cut = () => new AbortController();
  beforeEach(async () => {
    service = createSocket('udp4');
    service.bind(0, '127.0.0.1');
    await once(service, 'listening');
    service.on('message', (packet, { port }) => service.send(packet, port, '127.0.0.1'));
    packets = new TestPackets();
    clock = new ManualClock();
    drops = 0;
    reached = [];
  });
  afterEach(() => service.close());

  const session = (more: Partial<UdpSessionOptions> = {}) =>
    udpSession({
      target: { host: '127.0.0.1', port: service.address().port },
      packets,
      clock,
      idleMs: 1_000,
      countToTarget: () => {},
      countToEngine: () => {},
      dropped: () => (drops += 1),
      reached: (refusal) => reached.push(refusal === undefined),
      signal: cut().signal,
      ...more,
    });
  const started = () => eventually('the flow takes packets', () => packets.taken);

  it('carries packets both ways, the empty one too, and ends with its flow', async () => {
    const over = session();
    await started();
    for (const size of [0, 1, 1_200, 60_000]) packets.arrive(Buffer.alloc(size, 'p'));
    await eventually('all came back', () => packets.sent.length === 4);
    expect(packets.sent.map(({ length }) => length).toSorted((a, b) => a - b)).to.deep.equal([
      0, 1, 1_200, 60_000,
    ]);
    packets.close();
    await over;
    expect(reached).to.deep.equal([true]);
  });

  it('ends after silence in both directions, and not before', async () => {
    const over = session();
    let ended = false;
    void over.then(() => (ended = true));
    await started();
    await clock.advance(900);
    packets.arrive(Buffer.from('visitor'));
    await eventually('the answer came', () => packets.sent.length === 1);
    await clock.advance(900);
    expect(ended).to.equal(false);
    await clock.advance(100);
    await over;
    await packets.closed;
    expect(clock.pending).to.equal(0);
  });

  it('goes on while either side alone speaks', async () => {
    service.removeAllListeners('message');
    let flowPort = 0;
    service.on('message', (_, { port }) => (flowPort = port));
    const over = session();
    let ended = false;
    void over.then(() => (ended = true));
    await started();
    await clock.advance(900);
    packets.arrive(Buffer.from('visitor'));
    await eventually('the Service heard it', () => flowPort > 0);
    await clock.advance(900);
    expect(ended).to.equal(false);

    service.send('Service', flowPort, '127.0.0.1');
    await eventually('the visitor hears it', () => packets.sent.length === 1);
    await clock.advance(900);
    expect(ended).to.equal(false);
    await clock.advance(100);
    await over;
  });

  it('drops what is too large for UDP, and what the engine does not take', async () => {
    const over = session();
    await started();
    packets.arrive(Buffer.alloc(65_508));
    expect(drops).to.equal(1);
    packets.full = true;
    packets.arrive(Buffer.from('answered in vain'));
    await eventually('the answer was dropped', () => drops === 2);
    packets.close();
    await over;
  });

  it('lives on while the Service restarts', async () => {
    const { port } = service.address();
    const over = session();
    await started();
    service.close();
    await eventually('a refusal was noticed', () => {
      packets.arrive(Buffer.from('to nobody'));
      return drops > 0;
    });
    service = createSocket('udp4').bind(port, '127.0.0.1');
    await once(service, 'listening');
    service.on('message', (packet, sender) => service.send(packet, sender.port, '127.0.0.1'));
    await eventually('packets pass again', () => {
      packets.arrive(Buffer.from('to somebody'));
      return packets.sent.length > 0;
    });
    packets.close();
    await over;
    expect(reached).to.deep.equal([false, true]);
  });

  it('ends at once when it is cut, and fails when the target has no address', async () => {
    const controller = cut();
    const over = session({ signal: controller.signal });
    await started();
    controller.abort();
    await over;
    await packets.closed;

    packets = new TestPackets();
    const lost = session({ target: { host: 'nobody.invalid', port: 1 } });
    expect(await rejection(lost)).to.be.instanceOf(Error);
    await packets.closed;
  });

  it('fails when the system refuses to send there at all', async () => {
    // Nobody may broadcast who has not asked to: refused by connect, as an address without a route is.
    const lost = session({ target: { host: '255.255.255.255', port: 9 } });
    expect(await rejection(lost)).to.have.property('code', 'EACCES');
    await packets.closed;
    expect(packets.taken).to.equal(false);
  });

  describe('while the name of the target is being looked up', () => {
    const find = () => new Promise<never>(() => {});

    it('ends when it is cut', async () => {
      const controller = cut();
      const over = session({ find, signal: controller.signal });
      controller.abort();
      await over;
      await packets.closed;
      expect(clock.pending).to.equal(0);
    });

    it('ends with its flow', async () => {
      const over = session({ find });
      packets.close();
      await over;
      expect(clock.pending).to.equal(0);
    });

    it('fails after ten seconds', async () => {
      const lost = rejection(session({ find }));
      await clock.advance(10_000);
      expect(await lost).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
      await packets.closed;
    });
  });
});
