// The relay over real sockets: every byte, every end, every failure, and bounded memory.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { Gather } from '../../src/agent/gather.ts';
import { Pump } from '../../src/agent/pump.ts';
import { type RelayEnd, relay } from '../../src/agent/relay.ts';
import { SlabPool } from '../../src/agent/slab-pool.ts';
import { dialTarget } from '../../src/agent/target.ts';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { codeOf } from '../../src/common/errors.ts';
import { resetSocket } from '../../src/rstream/connection.ts';
import { SocketTable } from '../../src/rstream/socket-table.ts';
import { brokenOff, StallWatch } from '../../src/rstream/stall-watch.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type TcpService, tcpService } from '../support/tcp-service.ts';
import { closed, hashOf, sendRandom, textOf } from '../support/transfers.ts';

const full = process.env.RSTREAM_TEST_FULL === '1';
const megabyte = 1024 * 1024;

interface Joined {
  /** The engine's end of the dial-back. */
  readonly engine: TLSSocket;
  /** The Service's end. */
  readonly service: Socket;
  /** The agent's ends of the two. */
  readonly near: { readonly engine: Duplex; readonly target: Duplex };
  readonly ended: Promise<RelayEnd>;
  readonly pool: SlabPool;
  readonly counts: { toEngine: number; toTarget: number };
  readonly cut: AbortController;
}

describe('relay', function () {
  this.timeout(full ? 600_000 : 120_000);
  const closers: Array<() => Promise<unknown> | unknown> = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function join(
    pool = new SlabPool(),
    clock: Clock = systemClock,
    cut = new AbortController(),
  ): Promise<Joined> {
    const { cert, key, ca } = await serverCertificate();
    const accepted: TLSSocket[] = [];
    const server = createTlsServer(
      { cert, key, ALPNProtocols: ['rstrm/1'], allowHalfOpen: true } as object,
      (socket) => {
        socket.on('error', () => {});
        accepted.push(socket);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const services: Socket[] = [];
    const target: TcpService = await tcpService((socket) => services.push(socket));
    const transport = new TlsTransport({ material: () => ({ ca }) });

    const signal = new AbortController().signal;
    const connection = await transport.connect({ engine: { host: '127.0.0.1', port } }, signal);
    const counts = { toEngine: 0, toTarget: 0 };
    const toEngine = new Pump({
      pool,
      sinkCopies: true,
      count: (bytes) => {
        counts.toEngine += bytes;
      },
    });
    const toTarget = new Pump({
      pool,
      gather: new Gather(pool),
      count: (bytes) => {
        counts.toTarget += bytes;
      },
    });
    const host = { host: '127.0.0.1', port: target.port };
    const socket = await dialTarget({
      target: host,
      sink: toEngine,
      clock: systemClock,
      timeoutMs: 30_000,
      signal,
    });
    const ended = relay({
      engine: connection,
      target: socket,
      toTarget,
      toEngine,
      table: new SocketTable(clock),
      stalls: new StallWatch(clock),
      clock,
      signal: cut.signal,
    });
    const engine = await eventually('the engine accepted', () => accepted[0]);
    const service = await eventually('the service accepted', () => services[0]);
    closers.push(() => {
      cut.abort();
      engine.destroy();
      server.close();
      return target.close();
    });
    const near = { engine: connection.stream, target: socket };
    return { engine, service, near, ended, pool, counts, cut };
  }

  it('carries an end from the Service and goes on the other way', async () => {
    const { engine, service, ended } = await join();
    service.end('from the service');
    expect(await textOf(engine)).to.equal('from the service');
    engine.end('later');
    expect(await textOf(service)).to.equal('later');
    expect(await ended).to.deep.equal({ cause: 'ended' });
  });

  it('carries an end from the engine and goes on the other way', async () => {
    const { engine, service, ended } = await join();
    engine.end('from the engine');
    expect(await textOf(service)).to.equal('from the engine');
    service.end('later');
    expect(await textOf(engine)).to.equal('later');
    expect(await ended).to.deep.equal({ cause: 'ended' });
  });

  it('carries megabytes both ways at once, byte for byte', async () => {
    const { engine, service, ended, counts, pool } = await join();
    const size = (full ? 256 : 24) * megabyte;
    const hashes = await Promise.all([
      sendRandom(engine, size),
      sendRandom(service, size),
      hashOf(engine),
      hashOf(service),
    ]);
    expect(hashes[3]).to.equal(hashes[0]);
    expect(hashes[2]).to.equal(hashes[1]);
    expect(await ended).to.deep.equal({ cause: 'ended' });
    expect(counts).to.deep.equal({ toEngine: size, toTarget: size });
    expect(pool.lentBytes).to.equal(0);
  });

  for (const stalled of ['engine', 'service'] as const) {
    it(`holds little while the ${stalled} does not read, and loses nothing`, async () => {
      const joined = await join();
      const [reader, writer] =
        stalled === 'engine' ? [joined.engine, joined.service] : [joined.service, joined.engine];
      const size = (full ? 1024 : 96) * megabyte;
      reader.pause();
      const sent = sendRandom(writer, size);
      const key = stalled === 'engine' ? 'toEngine' : 'toTarget';
      await steady(() => joined.counts[key]);
      expect(joined.counts[key], 'read ahead of a stalled reader').to.be.below(48 * megabyte);
      expect(joined.pool.lentBytes).to.be.at.most(2 * megabyte);
      const received = hashOf(reader);
      expect(await received).to.equal(await sent);
      expect(joined.counts[key]).to.equal(size);
    });
  }

  it('cuts the engine when the Service resets, after what it had sent', async () => {
    const { engine, service, ended } = await join();
    service.write('last words');
    expect(String((await once(engine, 'data'))[0])).to.equal('last words');
    service.resetAndDestroy();
    await closed(engine);
    expect((await ended).cause).to.equal('target');
  });

  /** A stream whose reader takes nothing any more, while its writer has more to send than anybody may hold. */
  async function stall(reads: 'engine' | 'service') {
    const clock = new ManualClock();
    const joined = await join(new SlabPool(), clock);
    const { engine, service, near, counts } = joined;
    const toEngine = reads === 'engine';
    const [reader, writer] = toEngine ? [engine, service] : [service, engine];
    reader.pause();
    writer.write(Buffer.alloc(16 * megabyte));
    await steady(() => counts[toEngine ? 'toEngine' : 'toTarget']);
    const failing = toEngine ? near.target : near.engine;
    return { ...joined, clock, reader, writer, failing };
  }

  for (const reads of ['engine', 'service'] as const) {
    it(`ends a stream that the ${reads} does not read when the other side has broken off, within three minutes`, async () => {
      const { clock, writer, failing, ended } = await stall(reads);
      resetSocket(writer);
      await eventually('the reset has arrived', () => brokenOff(failing));
      let over = false;
      void ended.then(() => (over = true));
      await clock.advance(59_000);
      expect(failing.destroyed).to.equal(false);
      await clock.advance(61_000);
      await patientlyUntil(clock, () => over);
      expect(clock.now()).to.be.at.most(180_000);
      expect((await ended).cause).to.equal(reads === 'engine' ? 'target' : 'engine');
      expect(clock.pending).to.equal(0);
    });

    it(`ends a stream whose other side has ended and then broken off while the ${reads} is silent`, async () => {
      const clock = new ManualClock();
      const { engine, service, near, ended } = await join(new SlabPool(), clock);
      const [reader, leaves] = reads === 'engine' ? [engine, service] : [service, engine];
      const failing = reads === 'engine' ? near.target : near.engine;
      leaves.end('last words');
      expect(await textOf(reader)).to.equal('last words');
      await clock.advance(3_600_000);
      expect(failing.destroyed).to.equal(false);
      resetSocket(leaves);
      await eventually('the reset has arrived', () => brokenOff(failing));
      let over = false;
      void ended.then(() => (over = true));
      await clock.advance(120_000);
      await patientlyUntil(clock, () => over);
      expect((await ended).cause).to.equal(reads === 'engine' ? 'target' : 'engine');
      await eventually(`the ${reads} is told`, () => brokenOff(reader));
    });

    it(`keeps for the ${reads} what it has not read an hour after both sides have ended`, async () => {
      const clock = new ManualClock();
      const { engine, service, near, counts, ended } = await join(new SlabPool(), clock);
      const [reader, writer] = reads === 'engine' ? [engine, service] : [service, engine];
      const source = reads === 'engine' ? near.target : near.engine;
      const read = () => counts[reads === 'engine' ? 'toEngine' : 'toTarget'];
      reader.end();
      expect(await textOf(writer)).to.equal('');
      reader.pause();
      // Until the agent has stopped reading. What comes after that must find room on its side, or the end could not arrive.
      let [written, before, same] = [0, 0, 0];
      const stalled = async () => {
        const bytes = same === 0 ? 16 * 1024 : 1;
        await new Promise((resolve) => writer.write(Buffer.alloc(bytes), resolve));
        written += bytes;
        same = read() === before ? same + 1 : 0;
        before = read();
        return same >= 60 && written > before;
      };
      await eventually('the agent reads no more', stalled, { everyMs: 4 });
      writer.end();
      await eventually('the connection is over', () => brokenOff(source));
      await clock.advance(3_600_000);
      expect(await hashOf(reader)).to.equal(createHash('sha256').update(Buffer.alloc(written)).digest('hex'));
      expect(await ended).to.deep.equal({ cause: 'ended' });
    });

    it(`lets the ${reads} stand still for an hour while the other side is there, and after it has ended`, async () => {
      const { clock, reader, writer, ended } = await stall(reads);
      await clock.advance(1_800_000);
      writer.end();
      await eventually('the end is on its way', () => writer.writableFinished || writer.writableLength > 0);
      await clock.advance(1_800_000);
      expect(await hashOf(reader)).to.equal(
        createHash('sha256')
          .update(Buffer.alloc(16 * megabyte))
          .digest('hex'),
      );
      reader.end();
      writer.resume();
      expect(await ended).to.deep.equal({ cause: 'ended' });
    });
  }

  for (const slow of ['engine', 'service'] as const) {
    it(`lets a slow ${slow} have everything before it sees the abort of the other side`, async () => {
      const { engine, service, near, counts, ended } = await join();
      const [reader, writer] = slow === 'engine' ? [engine, service] : [service, engine];
      const [key, failing] =
        slow === 'engine' ? (['toEngine', near.target] as const) : (['toTarget', near.engine] as const);
      reader.pause();
      const sent = randomBytes(2 * megabyte);
      writer.write(sent);
      await eventually('the agent has read it all', () => counts[key] === sent.length);
      if (slow === 'engine') service.resetAndDestroy();
      else resetSocket(engine);
      await closed(failing);

      const received: Buffer[] = [];
      const seen: string[] = [];
      reader.on('end', () => seen.push('end')).on('error', (error) => seen.push(String(codeOf(error))));
      reader.on('data', (chunk: Buffer) => received.push(chunk)).resume();
      await closed(reader);
      expect(Buffer.concat(received).equals(sent)).to.equal(true);
      expect(seen).to.deep.equal(['ECONNRESET']);
      expect((await ended).cause).to.equal(slow === 'engine' ? 'target' : 'engine');
    });
  }

  it('waits no longer than it must for a side that does not read', async () => {
    const clock = new ManualClock();
    const { engine, service, near, counts, ended } = await join(new SlabPool(), clock);
    engine.pause();
    const size = 2 * megabyte;
    service.write(Buffer.alloc(size));
    await eventually('the agent has read it all', () => counts.toEngine === size);
    // The last of it is still on its way to the system and to the other end, and the clock here does not wait for that.
    await steady(() => near.engine.writableLength + 1);
    service.resetAndDestroy();
    await closed(near.target);
    await patientlyUntil(clock, () => near.engine.closed);
    expect(clock.now()).to.be.within(5_000, 6_000);
    expect((await ended).cause).to.equal('target');
  });

  it('cuts the Service when the engine goes', async () => {
    const { engine, service, ended } = await join();
    const gone = closed(service);
    engine.write('half a request');
    await once(service, 'data');
    engine.destroy();
    await Promise.race([gone, once(service, 'end')]);
    service.destroy();
    await ended;
  });

  it('cuts both when told to', async () => {
    const { engine, service, ended, cut } = await join();
    const gone = Promise.all([closed(engine), closed(service)]);
    engine.resume();
    service.resume();
    cut.abort();
    expect(await ended).to.deep.equal({ cause: 'cut' });
    await gone;
  });

  it('cuts both when it was told to before it began', async () => {
    const cut = new AbortController();
    cut.abort();
    const { near, ended } = await join(new SlabPool(), systemClock, cut);
    expect(await ended).to.deep.equal({ cause: 'cut' });
    expect([near.engine.destroyed, near.target.destroyed]).to.deep.equal([true, true]);
  });

  it('gives all memory back', async () => {
    const pool = new SlabPool();
    for (let round = 0; round < 10; round += 1) {
      const { engine, service, ended } = await join(pool);
      const size = 4 * megabyte;
      await Promise.all([
        sendRandom(engine, size),
        sendRandom(service, size),
        hashOf(engine),
        hashOf(service),
      ]);
      await ended;
    }
    expect(pool.lentBytes).to.equal(0);
  });
});

/** Until the number has not moved for a while. */
async function steady(read: () => number): Promise<void> {
  let before = -1;
  let same = 0;
  await eventually('nothing moves any more', () => {
    const now = read();
    same = now === before && now > 0 ? same + 1 : 0;
    before = now;
    return same >= 15;
  });
}

/** Lets time pass for those who look again soon, and not while they look: that takes time of its own. */
async function patientlyUntil(clock: ManualClock, over: () => boolean): Promise<void> {
  const look = async () => {
    const delayMs = clock.nextDelayMs ?? 0;
    if (delayMs <= 500) await clock.advance(delayMs);
    return over();
  };
  // A dozen looks at the system's table of connections, each of which may take seconds on a machine that is busy.
  await eventually('it is given up', look, { timeoutMs: 90_000 });
}
