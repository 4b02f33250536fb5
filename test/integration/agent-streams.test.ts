// Streams through a real agent process: ends, slow readers, limits, resumed sessions, and a control channel that is lost.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import type { Client } from '../../src/dev-engine/registry.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { echoService, type TcpService, tcpService } from '../support/tcp-service.ts';
import { closed, hashOf, roundTrip, sendRandom, textOf } from '../support/transfers.ts';

const full = process.env.RSTREAM_TEST_FULL === '1';
const megabyte = 1024 * 1024;

describe('streams through an agent', function () {
  this.timeout(full ? 600_000 : 120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-streams-'));
  const caFile = join(directory, 'ca.pem');
  let engine: Engine;
  let port: number;
  const services: TcpService[] = [];

  before(async () => writeFileSync(caFile, (await testAuthority()).certificate));
  beforeEach(async () => {
    const tcpPorts = await freePorts(1);
    port = tcpPorts.from;
    engine = await startTestEngine({ tcpPorts, recordLimit: 10_000 });
  });
  afterEach(async () => {
    await stopAgents();
    for (const service of services.splice(0)) await service.close();
    await engine.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** An agent that publishes `service` at a port of its own. */
  async function publish(service: TcpService, host = '127.0.0.1') {
    services.push(service);
    const agent = new AgentProcess({
      config: {
        connection: { engine: `${host}:${engine.port}`, tls: { caFile } },
        tunnel: { name: 'streams', protocol: 'tcp', tcpPort: port },
        target: { host: '127.0.0.1', port: String(service.port) },
        retry: { initial: '50ms', max: '500ms' },
      },
    });
    await agent.ready();
    const visit = async (): Promise<Socket> => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {});
      await once(socket, 'connect');
      return socket;
    };
    return { agent, visit };
  }

  it('carries the end of either side, and whatever the other one says after it', async () => {
    const { visit } = await publish(
      await tcpService(async (socket) => {
        const asked = await textOf(socket);
        if (asked.startsWith('you first')) return void socket.end(`after ${asked.length}`);
        socket.end('done');
      }),
    );
    const size = 3 * megabyte;
    const socket = await visit();
    socket.end(`you first${'x'.repeat(size)}`);
    expect(await textOf(socket)).to.equal(`after ${size + 9}`);
    await closed(socket);
  });

  it('carries an end of the Service while the visitor goes on', async () => {
    let received = '';
    const { visit } = await publish(
      await tcpService(async (socket) => {
        socket.end('welcome');
        received = await textOf(socket);
      }),
    );
    const socket = await visit();
    expect(await textOf(socket)).to.equal('welcome');
    socket.write('still ');
    socket.end('here');
    await eventually('the service has heard it', () => received === 'still here');
    await closed(socket);
  });

  for (const stalled of ['visitor', 'service'] as const) {
    it(`keeps its memory while a ${stalled} does not read, and other streams go on`, async () => {
      const size = (full ? 1024 : 100) * megabyte;
      const sent: Promise<string>[] = [];
      const seen: Socket[] = [];
      const { agent, visit } = await publish(
        await tcpService((socket) => {
          socket.once('data', (first: Buffer) => {
            if (String(first) === 'ping') return void socket.end('pong');
            if (stalled === 'visitor') sent.push(sendRandom(socket, size));
            else socket.pause().unshift(first);
            seen.push(socket);
          });
        }),
      );
      const before = memoryOf(agent).now;

      const socket = await visit();
      if (stalled === 'visitor') socket.pause().write('x');
      else sent.push(sendRandom(socket, size));
      const bytes = stalled === 'visitor' ? 'engine' : 'target';
      await eventually('the stream has stalled', stalls(agent, bytes), { timeoutMs: 60_000, everyMs: 200 });
      expect(await roundTrip(await visit(), 'ping')).to.equal('pong');
      const [reader] = stalled === 'visitor' ? [socket] : seen;
      if (!reader) throw new Error('nobody reads');
      const received = hashOf(reader);
      expect(await received).to.equal(await sent[0]);
      expect(memoryOf(agent).peak - before, 'kibibytes grown').to.be.below(40 * 1024);
      socket.destroy();
    });
  }

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`resumes its TLS session for every dial-back: ${host}`, async () => {
      const { visit } = await publish(await echoService(), host);
      for (let count = 0; count < 12; count += 1)
        expect(await roundTrip(await visit(), 'hello')).to.equal('hello');
      const resumed = engine.recorder.entries.flatMap((entry) =>
        entry.kind === 'connection' ? [entry.resumed] : [],
      );
      expect(resumed).to.deep.equal([false, ...Array(12).fill(true)]);
    });
  }

  it('answers each request over its limits, and neither ends nor forgets the others', async () => {
    // Takes connections and never says a word, so that dial-backs hang in their handshake.
    const hole = await tcpService(() => {});
    const { agent, visit } = await publish(await echoService());
    const client = onlyClient();
    const answers = answersOf();
    const requests = 2_000;
    for (let count = 0; count < requests; count += 1) {
      client.send({
        case: 'proxyConnReq',
        value: {
          tunnelId: engine.registry.tunnels[0]?.id ?? '',
          streamId: count.toString(16).padStart(24, '0'),
          secret: 'secret',
          proxyEndpoint: `127.0.0.1:${hole.port}`,
        },
      });
    }
    const refused = requests - 256 - 1024;
    await eventually('the overflow was answered', () => answers() === refused);
    await eventually('the others are dialled', () => hole.sockets.size >= 256);
    expect(onlyClient().id).to.equal(client.id);
    expect((await agent.probe('/metrics')).body).to.include(`_failures_total{cause="overload"} ${refused}`);
    expect(hole.sockets.size).to.equal(256);

    const warnings = agent.events.filter(({ cause, level }) => cause === 'overload' && level === 'warn');
    expect(warnings, 'one warning, not one per request').to.have.length(1);

    await hole.close();
    await eventually('every request was answered', () => answers() === requests, { timeoutMs: 60_000 });
    expect(await roundTrip(await visit(), 'still here')).to.equal('still here');
    expect(onlyClient().id).to.equal(client.id);
  });

  it('keeps the streams of a lost control channel, and its successor does not disturb them', async () => {
    const { agent, visit } = await publish(await echoService());
    const old = await visit();
    for (let round = 0; round < 3; round += 1) {
      const client = onlyClient();
      expect(await exchange(old, `old ${round}`)).to.equal(`old ${round}`);
      client.end('drop');
      expect(await exchange(old, 'in between')).to.equal('in between');
      await eventually('there is a successor', () => agent.addresses.length === round + 2);
      expect(onlyClient().id).not.to.equal(client.id);
      expect(await roundTrip(await visit(), 'new')).to.equal('new');
    }
    const bytes = randomBytes(megabyte);
    old.end(bytes);
    expect(await hashOf(old)).to.equal(createHash('sha256').update(bytes).digest('hex'));
  });

  function onlyClient(): Client {
    const [client, ...others] = engine.registry.clients;
    if (!client || others.length > 0) throw new Error(`${others.length} clients too many, or none`);
    return client;
  }

  /** How many requests the agent has answered with an error so far. */
  function answersOf(): () => number {
    const seen = new Set<string>();
    return () => {
      for (const entry of engine.recorder.entries) {
        if (entry.kind !== 'received' || entry.payload !== 'proxyConnRsp') continue;
        if (JSON.stringify(entry.message).includes('error')) seen.add(JSON.stringify(entry.message));
      }
      return seen.size;
    };
  }
});

/** Writes and reads as much on a stream that stays open. */
async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let received = '';
  while (received.length < text.length) received += (await once(socket, 'data'))[0];
  return received;
}

/** Resident memory of a process in kibibytes. */
function memoryOf({ daemon }: AgentProcess): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
  const read = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** A condition that holds once bytes have moved and then none do any more for a while. */
function stalls(agent: AgentProcess, to: 'engine' | 'target'): () => Promise<boolean> {
  let before = -1;
  let same = 0;
  return async () => {
    const { body } = await agent.probe('/metrics');
    const now = Number(new RegExp(`rstream_agent_bytes_total\\{to="${to}"\\} (\\d+)`).exec(body)?.[1]);
    same = now === before && now > 1024 ? same + 1 : 0;
    before = now;
    return same >= 5;
  };
}
