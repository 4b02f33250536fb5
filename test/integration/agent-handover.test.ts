// Rollouts of real agents under load, on a real API server and a real engine process: nothing established is cut, the name
// is without an owner only for an instant, and a standby takes over from one that was killed.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect } from 'chai';
import type { KubeClient } from '../../src/kube/client.ts';
import { type AgentProcess, stopAgents } from '../support/agent-process.ts';
import { installCrds } from '../support/crds.ts';
import { EngineProcess, handoverExchanges } from '../support/engine-process.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { HttpLoad } from '../support/http-load.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient } from '../support/kube-client.ts';
import { median } from '../support/median.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';
import { type TcpService, tcpService } from '../support/tcp-service.ts';
import { closed, gone, hashOf, sendRandom, textOf } from '../support/transfers.ts';
import { TunnelObject, type TunnelObjectOptions } from '../support/tunnel-object.ts';

const full = process.env.RSTREAM_TEST_FULL === '1';
const patience = { timeoutMs: 60_000 };
const hostname = 'web.t.engine.test';

describe('handover between agents', function () {
  this.timeout(full ? 3_600_000 : 300_000);
  let server: KubeApiserver;
  let client: KubeClient;
  let namespace: string;
  let port: number;
  let engine: EngineProcess | undefined;
  const closers: Array<() => Promise<unknown>> = [];

  before(async () => {
    server = await sharedKubeApiserver();
    await installCrds(server);
    client = adminClient(server);
  });
  beforeEach(async () => {
    namespace = await server.createNamespace();
    port = (await freePorts(1)).from;
  });
  afterEach(async () => {
    await stopAgents();
    for (const close of closers.splice(0)) await close();
    await engine?.stop();
    engine = undefined;
  });
  after(() => client.close());

  async function startEngine(...args: string[]): Promise<EngineProcess> {
    engine = await EngineProcess.start(['--tcp-ports', `${port}-${port}`, ...args]);
    return engine;
  }

  const tunnelAt = (
    options: Pick<TunnelObjectOptions, 'engine' | 'name' | 'tunnel' | 'targetPort'>,
    more = {},
  ) => TunnelObject.create({ server, client, namespace, ...options, ...more });

  async function rawTunnel(engine: EngineProcess, service: TcpService, more = {}): Promise<TunnelObject> {
    const tunnel = { protocol: 'tcp', tcpPort: port };
    return tunnelAt({ engine, name: 'raw', tunnel, targetPort: service.port }, more);
  }

  async function visit(): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  }

  it('rolls out under load without cutting anything, time and again', async () => {
    const rollouts = full ? 20 : 2;
    const size = (full ? 1024 : 100) * 1024 * 1024;
    const engine = await startEngine();
    const web = await httpService();
    const raw = await rawService();
    closers.push(web.close, raw.close);
    const tunnels = [
      await tunnelAt({
        engine,
        name: 'web',
        tunnel: { protocol: 'http', hostname, http: { version: 'http/1.1' } },
        targetPort: web.port,
      }),
      // Long enough for a gigabyte on a machine with ten times as much to do.
      await rawTunnel(engine, raw, { drain: '600s' }),
    ];
    let agents = tunnels.map((tunnel) => tunnel.startAgent());
    await Promise.all(agents.map((agent) => agent.ready()));
    const load = new HttpLoad(engine, hostname, 200);
    closers.push(() => load.stop());
    const exchanges: number[] = [];

    for (let rollout = 0; rollout < rollouts; rollout += 1) {
      const echo = await EchoStream.open(await visit());
      const upload = await visit();
      const uploaded = Promise.all([sendRandom(upload, size), textOf(upload)]);
      // Whatever becomes of it is told below, once the handover is over.
      uploaded.catch(() => {});

      const next = tunnels.map((tunnel) => tunnel.startAgent());
      await Promise.all(next.map((agent) => agent.ready()));
      expect(
        next.flatMap(({ addresses }) => addresses),
        'all of them stand by',
      ).to.deep.equal([]);
      exchanges.push(await engine.exchangeMs());
      for (const agent of agents) agent.daemon.signal('SIGTERM');
      await eventually('the new agents are online', () => next.every(isOnline), patience);
      await echo.exchange();

      const [sent, received] = await uploaded.catch((error) => {
        throw new Error(`the upload broke off; its agent said:\n${agents[1]?.log}`, { cause: error });
      });
      expect(received).to.equal(sent);
      await echo.exchange();
      expect(agents[1]?.daemon.running, 'the old agent waits for its streams').to.equal(true);
      await echo.end();
      await Promise.all(agents.map(({ daemon }) => daemon.exited));
      expect(agents.map(({ daemon }) => daemon.exitCode)).to.deep.equal([0, 0]);
      expect(agents.map(({ log }) => log.includes('cut the streams'))).to.deep.equal([false, false]);
      await eventually('the status names the new Pod', async () => {
        const pods = await Promise.all(tunnels.map(async (tunnel) => (await tunnel.status()).agentPod));
        return pods.every((pod, index) => pod === next[index]?.podName);
      });
      agents = next;
    }

    const { good, unowned, failures } = await load.stop();
    const gaps = await engine.gaps();
    console.log(
      `      without an owner for ${describeGaps(gaps)}, where an exchange took ` +
        `${median(exchanges).toFixed(1)} ms; ${good} good answers, ${unowned} met nobody`,
    );
    expect(failures).to.deep.equal([]);
    expect(good).to.be.greaterThan(200);
    expect(gaps).to.have.length(2 * rollouts);
    expect(await engine.gaps(`host:${hostname}`)).to.have.length(rollouts);
    expect(unowned, 'answered 503, between two owners').to.be.below(good / 2);
    // A few samples say little: the median that is promised is proved here by twenty rollouts, and by the many handovers elsewhere.
    const own = median(gaps) - handoverExchanges * median(exchanges);
    expect(own, 'milliseconds beyond what a busy machine adds').to.be.below(full ? 100 : 3_000);
  });

  it('serves from the standby once the owner is killed and the engine lets go', async () => {
    const engine = await startEngine();
    const service = await rawService();
    closers.push(service.close);
    const tunnel = await rawTunnel(engine, service);
    const owner = tunnel.startAgent();
    await owner.ready();
    await eventually('the owner is in the status', async () => (await tunnel.status()).agentPod === 'raw-1');
    const standby = tunnel.startAgent();
    await standby.ready();
    expect(standby.addresses).to.deep.equal([]);

    await owner.stop('SIGKILL');
    await eventually('the standby is online', () => isOnline(standby), patience);
    const echo = await EchoStream.open(await visit());
    await echo.exchange();
    await echo.end();
    await eventually('it is in the status', async () => (await tunnel.status()).agentPod === 'raw-2');
    const gaps = await engine.gaps();
    console.log(`      without an owner for ${describeGaps(gaps)}`);
    expect(gaps).to.have.length(1);
    expect(gaps[0], 'milliseconds; it asks ten times in a second').to.be.below(5_000);
  });

  it('cuts what is left when the grace period is over, and not before', async () => {
    const engine = await startEngine();
    const service = await rawService();
    closers.push(service.close);
    const tunnel = await rawTunnel(engine, service, { drain: '2s' });
    const old = tunnel.startAgent();
    await old.ready();
    const echo = await EchoStream.open(await visit());
    const next = tunnel.startAgent();
    await next.ready();

    const started = performance.now();
    old.daemon.signal('SIGTERM');
    await eventually('the new agent is online', () => isOnline(next), patience);
    await echo.exchange();
    await echo.cut();
    expect(performance.now() - started).to.be.at.least(1_990);
    await old.daemon.exited;
    expect(old.daemon.exitCode).to.equal(0);
    expect(old.log).to.include('cut the streams');
  });

  it('leaves a bad rollout standing while the old agent serves', async () => {
    const engine = await startEngine();
    const service = await rawService();
    closers.push(service.close);
    const tunnel = await rawTunnel(engine, service);
    const old = tunnel.startAgent();
    await old.ready();
    await engine.admin('PUT', '/faults', {
      tunnelOpen: { answer: 'error', code: 5000, message: 'not in your plan' },
    });
    const bad = tunnel.startAgent();
    await eventually('it was refused', () => bad.log.includes('not in your plan'), patience);
    expect((await bad.probe('/readyz')).status).to.equal(503);
    expect(await tunnel.ready()).to.include({ status: 'True', reason: 'TunnelOnline' });
    expect((await tunnel.status()).agentPod).to.equal('raw-1');
    const echo = await EchoStream.open(await visit());
    await echo.exchange();
    await echo.end();
  });

  const policies = ['refuse', 'takeover', 'share'] as const;
  const manners = [
    { onClose: 'keep', release: 'close', cut: false },
    { onClose: 'keep', release: 'drop', cut: false },
    { onClose: 'cut', release: 'drop', cut: false },
    { onClose: 'cut', release: 'close', cut: true },
  ] as const;
  const combinations = policies.flatMap((policy) => manners.map((manner) => ({ policy, ...manner })));
  /** Each policy and each flag once (the rollouts above do the first pair); all pairs of them in the full run. */
  const usual = combinations.filter(({ policy, onClose }, index) =>
    policy === 'refuse' ? onClose === 'cut' : index % manners.length === 0,
  );

  for (const { policy, onClose, release, cut } of full ? combinations : usual) {
    const what = cut ? 'loses' : 'keeps';
    it(`${what} its streams: ${policy}, the engine ${onClose}s streams on close, --release=${release}`, async () => {
      const engine = await startEngine('--hostname-conflict', policy, '--streams-on-close', onClose);
      const service = await rawService();
      closers.push(service.close);
      const tunnel = await rawTunnel(engine, service, { args: [`--release=${release}`] });
      const old = tunnel.startAgent();
      await old.ready();
      const echo = await EchoStream.open(await visit());

      const next = tunnel.startAgent();
      await next.ready();
      const survives = !cut && !(policy === 'takeover' && onClose === 'cut');
      if (survives) await echo.exchange();
      old.daemon.signal('SIGTERM');
      await eventually('the new agent is online', () => isOnline(next), patience);
      if (survives) {
        await echo.exchange();
        await echo.end();
      } else {
        await echo.cut();
      }
      await old.daemon.exited;
      expect(old.daemon.exitCode).to.equal(0);

      const fresh = await EchoStream.open(await visit());
      await fresh.exchange();
      await fresh.end();
      await eventually(
        'the status names the new Pod',
        async () => (await tunnel.status()).agentPod === 'raw-2',
      );
    });
  }
});

function isOnline({ addresses }: AgentProcess): boolean {
  return addresses.length > 0;
}

/** One long conversation: what is said comes back, again and again. */
class EchoStream {
  readonly #socket: Socket;
  #said = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(socket: Socket): Promise<EchoStream> {
    socket.on('error', () => {});
    socket.write('echo');
    const [greeting] = await once(socket, 'data');
    expect(String(greeting)).to.equal('echo');
    return new EchoStream(socket);
  }

  async exchange(): Promise<void> {
    this.#said += 1;
    const text = `message ${this.#said}`;
    this.#socket.write(text);
    let heard = '';
    while (heard.length < text.length) heard += (await once(this.#socket, 'data'))[0];
    expect(heard).to.equal(text);
  }

  /** Ends it properly. */
  async end(): Promise<void> {
    this.#socket.end();
    expect(await textOf(this.#socket)).to.equal('');
    await closed(this.#socket);
  }

  /** Until somebody else ends it. */
  async cut(): Promise<void> {
    await gone(this.#socket);
  }
}

/** Echoes what begins with "echo"; of everything else it returns the hash once the visitor has ended. */
function rawService(): Promise<TcpService> {
  return tcpService((socket) => {
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      if (first.subarray(0, 4).toString() === 'echo') socket.pipe(socket);
      else hashOf(socket).then((hash) => socket.end(hash));
    });
  });
}

/** Answers each request with its own body. */
async function httpService(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server = createServer((request, response) => request.pipe(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

function describeGaps(gaps: readonly number[]): string {
  const rounded = gaps.map((gap) => Math.round(gap)).toSorted((a, b) => a - b);
  return `${Math.round(median(gaps))} ms at the median (${rounded.join(', ')})`;
}
