// Our QUIC against quic-go: our agent with its engine, its agent with our engine, and HTTP/3 through a datagram tunnel.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import type { Tunnel } from '../../src/rstream/client-types.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import type { PacketChannel } from '../../src/rstream/packet-channel.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import type { TlsMaterial } from '../../src/rstream/tls-options.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { serverCertificate, testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { dial, dialPackets } from '../support/dialler.ts';
import { eventually } from '../support/eventually.ts';
import { buildQuicPeer, QuicPeer } from '../support/quic-peer.ts';
import { echo, readBytes } from '../support/streams.ts';

describe('quic-go', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rstream-quic-go-'));
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const cleanups: (() => unknown)[] = [];
  let ca: string;
  let server: { readonly cert: string; readonly key: string };

  before(async function () {
    this.timeout(300_000);
    await buildQuicPeer();
    const { cert, key, ca: authority } = await serverCertificate('h3.t.engine.test');
    ca = authority;
    server = { cert: file('cert.pem', cert), key: file('key.pem', key) };
    file('ca.pem', ca);
  });
  afterEach(async () => {
    await stopAgents();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function peer(role: string, flags: Readonly<Record<string, string>>): Promise<QuicPeer> {
    const started = await QuicPeer.start(role, flags);
    cleanups.push(() => started.stop());
    return started;
  }
  function transport(more: Partial<TlsMaterial> = {}): QuicTransport {
    const material = { ca, ...more };
    const clientCertificate = more.cert !== undefined;
    const made = new QuicTransport({ clock: systemClock, material: () => material, clientCertificate });
    cleanups.push(() => made.close());
    return made;
  }
  async function engine(): Promise<Engine> {
    const started = await startTestEngine({ authority: await testAuthority() });
    cleanups.push(() => started.close());
    return started;
  }

  describe('as the engine', () => {
    async function online(type: 'bytestream' | 'datagram', mutual = false) {
      const go = await peer('engine', { ...server, ...(mutual && { ca: join(directory, 'ca.pem') }) });
      const { port } = await go.next();
      const client = mutual ? await (await testAuthority()).issueClient('our-agent') : {};
      const channel = await openControlChannel({
        engine: { host: 'localhost', port: Number(port) },
        transport: transport(client),
        clock: systemClock,
        ...(!mutual && { token: 'T' }),
      });
      cleanups.push(() => channel.drop());
      const tunnel = await channel.openTunnel({ type, publish: false, name: 'ours' });
      void echoAll(tunnel);
      return { go, channel, tunnel, facts: await go.next() };
    }

    it('gets control, streams with half-close, and bulk of 8 MB', async () => {
      const { go, channel } = await online('bytestream');
      expect(channel.mode).to.equal('quic');
      expect(await go.command('bytes 5')).to.equal('ok');
      expect(await go.command('bytes 0')).to.equal('ok');
      expect(await go.command('bytes 8000000')).to.equal('ok');
    });

    it('exchanges packets in DATAGRAM frames under their channel ids, and closes channels', async () => {
      const { go, facts, tunnel } = await online('datagram');
      expect(facts).to.include({ datagrams: true });
      expect(await go.command('packets')).to.equal('ok');
      expect(await go.command('packets')).to.equal('ok');
      expect(tunnel.properties.type).to.equal('datagram');
    });

    it('sees the client certificate where it asks for one', async () => {
      const { facts } = await online('bytestream', true);
      expect(facts).to.include({ subject: 'our-agent' });
    });
  });

  describe('as the agent', () => {
    async function joined() {
      const ours = await engine();
      const flags = { engine: `localhost:${ours.port}`, ca: join(directory, 'ca.pem'), token: 'T' };
      const go = await peer('agent', flags);
      expect(await go.next()).to.include({ tunnels: 2 });
      const settings = { engine: { host: 'localhost', port: ours.port }, token: 'T' };
      return { ours, settings };
    }

    it('carries bytes for a dialler over TLS and one over QUIC', async () => {
      const { settings } = await joined();
      const material = { ca };
      for (const over of [new TlsTransport({ material: () => material }), transport()]) {
        const { connection } = await dial({
          ...settings,
          transport: over,
          tunnel: 'go-bytes',
          zeroRtt: false,
        });
        const bulk = Buffer.alloc(3_000_000, 'bulk');
        const answer = readBytes(connection.stream, bulk.length);
        connection.stream.end(bulk);
        expect((await answer).equals(bulk)).to.equal(true);
      }
    });

    it('carries packets in DATAGRAM frames for a framed dialler and one with datagrams', async () => {
      const { ours, settings } = await joined();
      const material = { ca };
      for (const over of [new TlsTransport({ material: () => material }), transport()]) {
        const { packets, kind } = await dialPackets({ ...settings, transport: over, tunnel: 'go-packets' });
        expect(kind).to.equal(over instanceof TlsTransport ? 'framed' : 'datagrams');
        for (const size of [0, 1, 1_000]) {
          const packet = Buffer.alloc(size, 3);
          expect((await roundTrip(packets, packet)).equals(packet)).to.equal(true);
        }
        packets.close();
      }
      await eventually('both flows are gone', () => ours.status().streams === 0);
    });
  });

  describe('as visitor and Service', () => {
    for (const mode of ['quic', 'tls'] as const) {
      it(`speaks HTTP/3 through a published h3 tunnel whose agent is connected over ${mode}`, async () => {
        const ours = await engine();
        const service = await peer('h3-server', server);
        const { port } = await service.next();
        const agent = new AgentProcess({
          config: {
            connection: {
              engine: `127.0.0.1:${ours.port}`,
              tls: { caFile: join(directory, 'ca.pem') },
              transport: { mode },
            },
            tunnel: { name: 'h3', protocol: 'http', http: { version: 'h3' }, hostname: 'h3.t.engine.test' },
            target: { host: '127.0.0.1', port: String(port), protocol: 'UDP' },
          },
        });
        await agent.ready();
        const client = await peer('h3-client', {
          ca: join(directory, 'ca.pem'),
          url: `https://h3.t.engine.test:${ours.port}/hello`,
          address: `127.0.0.1:${ours.port}`,
        });
        expect(await client.next()).to.deep.equal({
          status: 200,
          protocol: 'HTTP/3.0',
          bytes: 240_000,
          first: 'POST /hello',
          digestMatches: true,
        });
        expect(ours.status().streams).to.equal(1);
      });
    }
  });
});

async function echoAll(tunnel: Tunnel): Promise<void> {
  for (let stream = await tunnel.accept(); stream; stream = await tunnel.accept()) {
    if (stream.kind === 'bytes') {
      echo(stream);
      continue;
    }
    const { packets } = stream;
    packets.receive((packet) => void packets.send(Buffer.from(packet)));
  }
}

/** Sends a packet until an answer comes: datagrams may be lost. */
async function roundTrip(packets: PacketChannel, packet: Buffer): Promise<Buffer> {
  let answer: Buffer | undefined;
  packets.receive((received) => {
    if (received.equals(packet)) answer ??= Buffer.from(received);
  });
  let sentAt = Number.NEGATIVE_INFINITY;
  return eventually('the packet came back', () => {
    if (answer) return answer;
    if (performance.now() - sentAt > 500) {
      packets.send(packet);
      sentAt = performance.now();
    }
    return undefined;
  });
}
