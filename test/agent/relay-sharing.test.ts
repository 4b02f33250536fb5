// Streams share the memory of one pool, and never each other's bytes.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer as createTlsServer, type SecureVersion, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { Gather } from '../../src/agent/gather.ts';
import { Pump } from '../../src/agent/pump.ts';
import { relay } from '../../src/agent/relay.ts';
import { SlabPool } from '../../src/agent/slab-pool.ts';
import { dialTarget } from '../../src/agent/target.ts';
import { systemClock } from '../../src/common/clock.ts';
import { SocketTable } from '../../src/rstream/socket-table.ts';
import { StallWatch } from '../../src/rstream/stall-watch.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { tcpService } from '../support/tcp-service.ts';

const bursts = process.env.RSTREAM_TEST_FULL === '1' ? 1_000 : 100;
const streams = 12;

describe('relays side by side', function () {
  this.timeout(300_000);
  const closers: Array<() => unknown> = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  it('carry bursts of many streams both ways, each its own bytes', async () => {
    const join = await joiner();
    const ends = await Promise.all(Array.from({ length: streams }, () => join()));

    await Promise.all(
      ends.map(async ([engine, service]) => {
        const [toService, toEngine] = [digestOf(service), digestOf(engine)];
        const [fromEngine, fromService] = await Promise.all([talk(engine), talk(service)]);
        expect(await toService).to.equal(fromEngine);
        expect(await toEngine).to.equal(fromService);
      }),
    );
  });

  it('rely on TLS to be done with memory when a write returns', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const [writer, reader] = await tlsPair(version);
      const size = 8 * 1024 * 1024;
      const shared = randomBytes(size);
      const sent = createHash('sha256').update(shared).digest('hex');
      // Nobody reads yet, so most of it cannot have left.
      writer.write(shared);
      expect(writer.writableLength).to.be.greaterThan(0);
      shared.fill(0);
      writer.end();
      expect(await digestOf(reader)).to.equal(sent);
    }
  });

  async function tlsPair(version: SecureVersion): Promise<readonly [TLSSocket, TLSSocket]> {
    const { cert, key, ca } = await serverCertificate();
    const server = createTlsServer({ cert, key, minVersion: version, maxVersion: version });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, 'secureConnection');
    const client = connect({ host: '127.0.0.1', port, ca });
    await once(client, 'secureConnect');
    const [end] = await accepted;
    closers.push(() => {
      client.destroy();
      server.close();
    });
    return [client, end];
  }

  /** Each call joins one more engine connection to one more Service, through the one pool. */
  async function joiner(): Promise<() => Promise<readonly [TLSSocket, Socket]>> {
    const { cert, key, ca } = await serverCertificate();
    const server = createTlsServer({ cert, key, ALPNProtocols: ['rstrm/1'], allowHalfOpen: true } as object);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const services: Socket[] = [];
    const target = await tcpService((socket) => services.push(socket));
    const transport = new TlsTransport({ material: () => ({ ca }) });
    const pool = new SlabPool();
    const gather = new Gather(pool);
    const { signal } = new AbortController();
    closers.push(
      () => server.close(),
      () => target.close(),
    );

    const joinOne = async (): Promise<readonly [TLSSocket, Socket]> => {
      const accepted = once(server, 'secureConnection');
      const { port } = server.address() as AddressInfo;
      const engine = await transport.connect({ engine: { host: '127.0.0.1', port } }, signal);
      const toEngine = new Pump({ pool, sinkCopies: true, count: () => {} });
      const toTarget = new Pump({ pool, gather, count: () => {} });
      const address = { host: '127.0.0.1', port: target.port };
      const dialled = { target: address, sink: toEngine, clock: systemClock, timeoutMs: 30_000, signal };
      const socket = await dialTarget(dialled);
      const clock = systemClock;
      const shared = { table: new SocketTable(clock), stalls: new StallWatch(clock), clock };
      void relay({ engine, target: socket, toTarget, toEngine, ...shared, signal });
      const [engineEnd] = await accepted;
      return [engineEnd, await eventually('the Service is dialled', () => services.shift())];
    };
    // One after the other, so that each pair of ends belongs together.
    let turn: Promise<unknown> = Promise.resolve();
    return () => {
      const joined = turn.then(joinOne);
      turn = joined;
      return joined;
    };
  }
});

/** Sends bursts of all sizes, ends, and returns the digest of what was sent. */
async function talk(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  for (let count = 0; count < bursts; count += 1) {
    const bytes = randomBytes(1 + Math.floor(Math.random() ** 4 * 120_000));
    hash.update(bytes);
    if (!socket.write(bytes)) await once(socket, 'drain');
    else if (count % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  return hash.digest('hex');
}

async function digestOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  await once(socket, 'end');
  return hash.digest('hex');
}
