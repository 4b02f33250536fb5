// The relay over real sockets: every byte, every end, every failure, and bounded memory.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { Pump } from '../../src/agent/pump.ts';
import { type RelayEnd, relay } from '../../src/agent/relay.ts';
import { SlabPool } from '../../src/agent/slab-pool.ts';
import { dialTarget } from '../../src/agent/target.ts';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { codeOf } from '../../src/common/errors.ts';
import { SocketReader, socketConnection } from '../../src/rstream/connection.ts';
import { SocketTable } from '../../src/rstream/socket-table.ts';
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

  async function join(pool = new SlabPool(), clock: Clock = systemClock): Promise<Joined> {
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
      count: (bytes) => {
        counts.toEngine += bytes;
      },
    });
    const toTarget = new Pump({
      pool,
      gather: true,
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
    const cut = new AbortController();
    const ended = relay({
      engine: connection,
      target: socket,
      toTarget,
      toEngine,
      table: new SocketTable(clock),
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
    expect(pool.largeBytes).to.be.at.most(24 * megabyte);
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
      expect(joined.pool.largeBytes).to.be.at.most(4 * megabyte);
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
      else socketConnection(engine, new SocketReader()).reset();
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
    service.resetAndDestroy();
    await closed(near.target);
    await eventually('it gave up', async () => {
      await clock.advance(clock.nextDelayMs ?? 0);
      return near.engine.closed;
    });
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
    expect(pool.largeBytes).to.be.at.most(8 * megabyte);
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
