// What becomes of streams when the Service refuses, hangs, resets or is silent, and when there are too many of them.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'chai';
import { Forwarder } from '../../src/agent/forwarder.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { resetSocket } from '../../src/rstream/connection.ts';
import { QuicStream } from '../../src/rstream/quic-stream.ts';
import type { ByteStream, PacketStream } from '../../src/rstream/stream.ts';
import type { EngineSide } from '../support/engine-side.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type HangingTarget, hangingTarget } from '../support/hanging-target.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { acceptStream } from '../support/streams.ts';
import { echoService, type TcpService, tcpService } from '../support/tcp-service.ts';
import { TestPackets } from '../support/test-packets.ts';

const day = 86_400_000;
/** So much that reading stops before all of it has come. */
const requestNobodyReads = Buffer.alloc(1024 * 1024);

describe('Forwarder', () => {
  let engine: ScriptedEngine;
  let clock: ManualClock;
  let metrics: AgentMetrics;
  let health: TargetHealth;
  let services: Array<Pick<TcpService, 'close'> | HangingTarget>;
  /** A new stream and the engine's end of it. */
  let next: () => Promise<{ readonly stream: ByteStream; readonly dialled: EngineSide }>;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    clock = new ManualClock();
    metrics = new AgentMetrics(clock);
    health = new TargetHealth(() => {});
    services = [];
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    next = () => acceptStream(engine, opened, tunnel);
  });
  afterEach(async () => {
    for (const service of services) await service.close();
    await engine.stop();
  });

  function forwarder(port: number, more: { readonly maxStreams?: number } = {}): Forwarder {
    const target = { host: '127.0.0.1', port };
    return new Forwarder({ target, clock, log: silentLogger, metrics, health, ...more });
  }

  async function serve<T extends TcpService | HangingTarget>(service: Promise<T>): Promise<T> {
    const started = await service;
    services.push(started);
    return started;
  }

  const failures = async (cause: string) => {
    const { values } = await metrics.streamFailures.get();
    return values.find(({ labels }) => labels.cause === cause)?.value ?? 0;
  };

  it('aborts the stream when the Service refuses, and knows after three that it is unreachable', async () => {
    const forwards = forwarder(await freePort());
    for (let count = 0; count < 3; count += 1) {
      expect(health.state).to.equal(undefined);
      const { stream, dialled } = await next();
      await forwards.forward(stream);
      await eventually('the engine sees the abort', () => dialled.closed);
    }
    expect(health.state).to.have.property('reachable', false);
    expect(await failures('dial')).to.equal(3);
    expect(forwards.active).to.equal(0);
  });

  it('gives up on a Service that does not answer, after ten seconds', async () => {
    const { port } = await serve(hangingTarget());
    const forwards = forwarder(port);
    const { stream, dialled } = await next();
    const ended = forwards.forward(stream);
    await clock.advance(9_999);
    expect(forwards.active).to.equal(1);
    await clock.advance(1);
    await ended;
    await eventually('the engine sees the abort', () => dialled.closed);
    expect(await failures('dial')).to.equal(1);
    expect(clock.pending).to.equal(0);
  });

  it('stops dialling when it is told to cut, and does not hold that against the Service', async () => {
    const { port } = await serve(hangingTarget());
    const forwards = forwarder(port);
    const streams = [await next(), await next(), await next()];
    const ends = streams.map(({ stream }) => forwards.forward(stream));
    forwards.cut();
    await Promise.all(ends);
    for (const { dialled } of streams) await eventually('the engine sees the abort', () => dialled.closed);
    expect(await failures('cut')).to.equal(3);
    expect(await failures('dial')).to.equal(0);
    expect(health.state).to.equal(undefined);
    expect(clock.pending).to.equal(0);
  });

  it('stops dialling when the visitor is cut off, over TLS and over QUIC, and blames nobody', async () => {
    const { port } = await serve(hangingTarget());
    const forwards = forwarder(port);
    for (let count = 0; count < 3; count += 1) {
      const { stream, dialled } = await next();
      dialled.raw(requestNobodyReads);
      void forwards.forward(stream);
      const { stream: near } = stream.connection;
      await eventually('no more is read', () => near.readableLength >= near.readableHighWaterMark);
      resetSocket(dialled.stream);
      await eventually('the visitor is missed', async () => {
        await clock.advance(500);
        return forwards.active === 0;
      });
    }

    const quic = await ScriptedQuicEngine.start();
    const transport = quic.transport();
    const connection = await transport.connect({ engine: quic.address }, AbortSignal.timeout(10_000));
    connection.stream.write('a dial-back');
    const side = await quic.next();
    const overQuic = forwards.forward({ kind: 'bytes', id: 'quic', sourceIp: undefined, connection });
    if (side.stream instanceof QuicStream) side.stream.reset();
    await overQuic;
    transport.close();
    await quic.stop();

    expect(await failures('cut')).to.equal(4);
    expect(await failures('dial')).to.equal(0);
    expect(health.state).to.equal(undefined);
    expect(clock.pending).to.equal(0);
  });

  it('tells a reset of the Service from an end', async () => {
    const service = await serve(tcpService((socket) => socket.resetAndDestroy()));
    const { stream, dialled } = await next();
    const error = once(dialled.stream, 'error').catch((thrown) => [thrown]);
    await forwarder(service.port).forward(stream);
    expect((await error)[0]).to.have.property('code', 'ECONNRESET');
    expect((await failures('target')) + (await failures('dial'))).to.equal(1);
  });

  it('cuts a stream on which nothing has moved for a day, and no other', async () => {
    const service = await serve(echoService());
    const forwards = forwarder(service.port);
    const [busy, idle] = [await next(), await next()];
    const ends = [forwards.forward(busy.stream), forwards.forward(idle.stream)];
    await eventually('both are connected', () => service.sockets.size === 2);
    await clock.advance(day - 1_000);
    busy.dialled.raw('ping');
    expect(await busy.dialled.text(4)).to.equal('ping');
    await clock.advance(1_000);
    await ends[1];
    expect(forwards.active).to.equal(1);
    expect(await failures('idle')).to.equal(1);
    busy.dialled.stream.end();
    await ends[0];
    expect(clock.pending).to.equal(0);
  });

  it('refuses streams over its limit, and takes them again when there is room', async () => {
    const service = await serve(echoService());
    const forwards = forwarder(service.port, { maxStreams: 2 });
    const [first, second, third] = [await next(), await next(), await next()];
    const ends = [forwards.forward(first.stream), forwards.forward(second.stream)];
    await forwards.forward(third.stream);
    await eventually('the third is refused', () => third.dialled.closed);
    expect(await failures('limit')).to.equal(1);

    first.dialled.stream.end();
    await ends[0];
    const fourth = await next();
    ends.push(forwards.forward(fourth.stream));
    fourth.dialled.raw('room');
    expect(await fourth.dialled.text(4)).to.equal('room');
    forwards.cut();
    await Promise.all(ends);
    expect(forwards.active).to.equal(0);
  });

  it('carries ten thousand streams and refuses the next one', async () => {
    const service = createSocket('udp4').bind(0, '127.0.0.1');
    await once(service, 'listening');
    const forwards = new Forwarder({
      target: { host: '127.0.0.1', port: service.address().port },
      clock: systemClock,
      log: silentLogger,
      metrics,
      health,
    });
    const ends = Array.from({ length: 10_000 }, () => forwards.forward(silentFlow()));
    const oneMore = silentFlow();
    await forwards.forward(oneMore);
    await oneMore.packets.closed;
    expect(forwards.active).to.equal(10_000);
    expect(await failures('limit')).to.equal(1);
    forwards.cut();
    await Promise.all(ends);
    service.close();
  });

  it('takes no stream any more once it was told to cut', async () => {
    const service = await serve(echoService());
    const forwards = forwarder(service.port);
    forwards.cut();
    const { stream, dialled } = await next();
    await forwards.forward(stream);
    await eventually('it is refused', () => dialled.closed);
    expect(service.sockets.size).to.equal(0);
  });

  describe('of a datagram tunnel', () => {
    let flows = 0;
    function flow(forwards: Forwarder) {
      flows += 1;
      const packets = new TestPackets();
      const ended = forwards.forward({ kind: 'packets', id: `flow-${flows}`, sourceIp: undefined, packets });
      return { packets, ended };
    }
    /** Sends packets until something has come of one. */
    async function say(packets: TestPackets, what: string, done: () => unknown): Promise<void> {
      await eventually(what, () => {
        packets.arrive(Buffer.from('hello'));
        return done();
      });
    }

    it('knows from answers and refusals whether the Service is there', async () => {
      const port = await freePort();
      const forwards = forwarder(port);
      const drops = async () => (await metrics.drops.get()).values[0]?.value ?? 0;
      for (let count = 1; count <= 3; count += 1) {
        expect(health.state).to.equal(undefined);
        const { packets, ended } = flow(forwards);
        const before = await drops();
        await say(packets, 'it is refused', async () => (await drops()) > before + 1);
        packets.close();
        await ended;
      }
      expect(health.state).to.have.property('reachable', false);
      expect(health.state)
        .to.have.property('cause')
        .that.matches(/^127\.0\.0\.1:\d+ could not be .*ECONNREFUSED/);

      const service = createSocket('udp4').bind(port, '127.0.0.1');
      await once(service, 'listening');
      service.on('message', (packet, sender) => service.send(packet, sender.port, '127.0.0.1'));
      const { packets, ended } = flow(forwards);
      await say(packets, 'it is answered', () => packets.sent.length > 0);
      packets.close();
      await ended;
      service.close();
      expect(health.state).to.deep.equal({ reachable: true });
      expect(await failures('dial')).to.equal(0);
    });

    it('names the address that cannot be sent to', async () => {
      const target = { host: '255.255.255.255', port: 9 };
      const forwards = new Forwarder({ target, clock, log: silentLogger, metrics, health });
      for (let count = 0; count < 3; count += 1) await flow(forwards).ended;
      expect(await failures('dial')).to.equal(3);
      expect(health.state).to.have.property('cause').that.includes('255.255.255.255:9 could not be reached');
    });

    it('ends a flow after two minutes of silence', async () => {
      const forwards = forwarder(await freePort());
      const { packets, ended } = flow(forwards);
      await eventually('it takes packets', () => packets.taken);
      await clock.advance(119_999);
      expect(forwards.active).to.equal(1);
      await clock.advance(1);
      await ended;
      expect(forwards.active).to.equal(0);
    });
  });
});

/** On which nothing ever comes. */
function silentFlow(): PacketStream {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const packets = { maxPacketBytes: 1_200, closed, send: () => true, receive: () => {}, close };
  return { kind: 'packets', id: 'flow', sourceIp: undefined, packets };
}
