// Real agents and everything that can go wrong around them: each recovers by itself, says why it is not ready meanwhile, stays
// healthy for the kubelet, and burns no CPU.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { EngineProcess } from '../support/engine-process.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { GarbageEngine } from '../support/garbage-engine.ts';
import { ScriptedDns } from '../support/scripted-dns.ts';
import { echoService, type TcpService } from '../support/tcp-service.ts';
import { closed, roundTrip } from '../support/transfers.ts';

const patience = { timeoutMs: 60_000 };
/** Of CPU, start included, for a scene of half a minute at most. A loop that spins takes that in an instant. */
const cpuSeconds = 6;

interface Scene {
  readonly agent: AgentProcess;
  readonly proxy: ChaosProxy;
  readonly port: number;
  /** A text through the tunnel and back. */
  readonly echo: (text: string) => Promise<string>;
}

describe('an agent among faults', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-faults-'));
  const caFile = join(directory, 'ca.pem');
  const proxies: ChaosProxy[] = [];
  let engine: Engine;
  let service: TcpService;
  let nextPort: number;

  before(async () => {
    writeFileSync(caFile, (await testAuthority()).certificate);
    const tcpPorts = await freePorts(20);
    nextPort = tcpPorts.from;
    service = await echoService();
    engine = await startTestEngine({ tcpPorts });
    // Seven seconds of silence are enough for both sides.
    engine.faults.liveness = { intervalMs: 5_000, timeoutMs: 7_000 };
  });
  after(async () => {
    await stopAgents();
    for (const proxy of proxies) await proxy.stop();
    await engine.close();
    await service.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function agentOf(
    engine: string,
    port: number,
    more: { readonly ca?: string; readonly transport?: object } = {},
  ) {
    const { ca = caFile, transport } = more;
    return new AgentProcess({
      config: {
        connection: { engine, tls: { caFile: ca }, ...(transport && { transport }) },
        tunnel: { name: 'faults', protocol: 'tcp', tcpPort: port },
        target: { host: '127.0.0.1', port: String(service.port) },
        retry: { initial: '100ms', max: '500ms' },
      },
    });
  }

  function echoAt(port: number): Scene['echo'] {
    return async (text) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {});
      await once(socket, 'connect');
      return roundTrip(socket, text);
    };
  }

  /** An agent that reaches the engine through a proxy of its own, and is ready. */
  async function scene(): Promise<Scene> {
    const port = nextPort++;
    const proxy = await ChaosProxy.start(engine.port);
    proxies.push(proxy);
    const agent = agentOf(`127.0.0.1:${proxy.port}`, port);
    await agent.ready();
    const echo = echoAt(port);
    expect(await echo('before')).to.equal('before');
    return { agent, proxy, port, echo };
  }

  /** The engine's side of a scene's tunnel. */
  const tunnelsAt = (port: number) =>
    engine.registry.tunnels.filter(({ properties }) => properties.port === port);

  const healthy = async (agent: AgentProcess) =>
    expect(await agent.probe('/healthz')).to.deep.equal({ status: 200, body: 'ok\n' });

  const unready = (agent: AgentProcess, why: RegExp) =>
    eventually(
      `it says why it is not ready: ${why}`,
      async () => {
        const { status, body } = await agent.probe('/readyz');
        return status === 503 && why.test(body);
      },
      patience,
    );

  const lost = (agent: AgentProcess, code: string) =>
    eventually(`it notices: ${code}`, () => agent.log.includes(code), patience);

  async function recovered({ agent, echo }: Pick<Scene, 'agent' | 'echo'>): Promise<void> {
    await agent.ready();
    await healthy(agent);
    expect(await echo('after')).to.equal('after');
    expect(agent.daemon.running).to.equal(true);
    expect(agent.daemon.cpuSeconds).to.be.below(cpuSeconds);
  }

  // Most of these scenes are waiting for timers of several seconds: they play side by side.
  const scenes = {
    async 'a connection whose packets are dropped'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.freeze();
      await lost(agent, 'ERR_RSTREAM_CONTROL_LIVENESS');
      await healthy(agent);
      await recovered({ agent, echo });
    },

    async 'a connection whose packets towards the agent are dropped'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.freezeTowards('client');
      await lost(agent, 'ERR_RSTREAM_CONTROL_LIVENESS');
      await recovered({ agent, echo });
    },

    async 'a connection whose packets towards the engine are dropped'(): Promise<void> {
      const { agent, proxy, port, echo } = await scene();
      const [before] = tunnelsAt(port);
      proxy.freezeTowards('server');
      await eventually(
        'the engine gave it up',
        () => !tunnelsAt(port).some(({ id }) => id === before?.id),
        patience,
      );
      await eventually('it is online again', () => agent.addresses.length > 1, patience);
      await recovered({ agent, echo });
    },

    async 'dial-backs whose handshakes are dropped, without losing the tunnel'(): Promise<void> {
      const { agent, proxy, port, echo } = await scene();
      proxy.blackHole = true;
      const visitor = connect({ port, host: '127.0.0.1' });
      visitor.on('error', () => {});
      visitor.resume();
      await closed(visitor);
      // Twice ten seconds: the secret was not spent, so it tried once more.
      await lost(agent, 'could not dial back for a stream');
      proxy.blackHole = false;
      await recovered({ agent, echo });
      expect(agent.addresses).to.have.length(1);
    },

    async 'a network that drops every packet'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.blackHole = true;
      proxy.freeze();
      await lost(agent, 'ERR_RSTREAM_CONTROL_LIVENESS');
      const before = proxy.accepted;
      await unready(agent, /not connected/);
      await healthy(agent);
      await lost(agent, 'ERR_RSTREAM_OPERATION_TIMEOUT');
      proxy.blackHole = false;
      // One attempt at a time, each given its fifteen seconds.
      expect(proxy.accepted - before).to.be.at.most(3);
      await recovered({ agent, echo });
    },

    async 'an end that only the agent sees'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.endTowardsClients();
      await unready(agent, /release port \d+/);
      await healthy(agent);
      await recovered({ agent, echo });
    },

    async 'an end that only the engine sees'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.endTowardsServers();
      await lost(agent, 'ERR_RSTREAM_CONTROL_LIVENESS');
      await recovered({ agent, echo });
    },

    async 'a line of three kilobytes a second'(): Promise<void> {
      const { agent, proxy, echo } = await scene();
      proxy.bytesPerSecond = 3_000;
      const text = 'slow '.repeat(800);
      expect(await echo(text)).to.equal(text);
      expect(agent.addresses).to.have.length(1);
      proxy.bytesPerSecond = Number.POSITIVE_INFINITY;
      await recovered({ agent, echo });
    },

    async 'a stop (SIGSTOP) longer than the engine waits'(): Promise<void> {
      const { agent, port, echo } = await scene();
      expect(tunnelsAt(port)).to.have.length(1);
      agent.daemon.signal('SIGSTOP');
      await eventually('the engine gave it up', () => tunnelsAt(port).length === 0, patience);
      agent.daemon.signal('SIGCONT');
      await eventually('it is online again', () => agent.addresses.length > 1, patience);
      await recovered({ agent, echo });
    },
  };

  describe('recovers from', () => {
    const played = new Map<string, Promise<void>>();
    before(() => {
      for (const [name, play] of Object.entries(scenes)) {
        const playing = play();
        playing.catch(() => {});
        played.set(name, playing);
      }
    });
    for (const name of Object.keys(scenes)) it(name, async () => played.get(name));

    it('an engine that is killed, away for a while, and started again', async () => {
      const [port] = [(await freePorts(1)).from];
      const other = await EngineProcess.start(['--tcp-ports', `${port}-${port}`]);
      const agent = agentOf(other.address, port, { ca: other.caFile });
      const echo = echoAt(port);
      try {
        for (let round = 1; round <= 3; round += 1) {
          await agent.ready();
          expect(await echo('hello')).to.equal('hello');
          await other.kill();
          await unready(agent, /not connected: .*(ECONNREFUSED|was lost|closed)/);
          await healthy(agent);
          await other.restart();
          await eventually('it is online again', () => agent.addresses.length === round + 1, patience);
        }
        await recovered({ agent, echo });
      } finally {
        await agent.dispose();
        await other.stop();
      }
    });

    it('an engine that answers nothing but garbage', async () => {
      const { agent, proxy, echo } = await scene();
      const garbage = await GarbageEngine.start(await engine.authority.issueServer(['127.0.0.1']));
      try {
        proxy.targetPort = garbage.port;
        const started = performance.now();
        for (const { owner } of engine.registry.tunnels) engine.registry.client(owner.id)?.end('drop');
        const all = () => garbage.answered >= 2 * GarbageEngine.kinds;
        await eventually('it has met every kind of it twice', all, patience);
        // Its backoff is half a second at most, and half of that with the luckiest jitter.
        const seconds = (performance.now() - started) / 1000;
        expect(garbage.answered).to.be.at.most(5 + seconds * 4.5);
        await unready(agent, /not connected: /);
        await healthy(agent);
      } finally {
        proxy.targetPort = engine.port;
        await garbage.close();
      }
      await recovered({ agent, echo });
    });

    it('a token that is revoked, once it is good again', async () => {
      const { agent, port, echo } = await scene();
      engine.authenticator.setTokens(['another']);
      for (const { owner } of tunnelsAt(port)) engine.registry.client(owner.id)?.end('drop');
      try {
        await unready(agent, /refused: .*code 1000/);
        await healthy(agent);
      } finally {
        engine.authenticator.setTokens(['T']);
      }
      await recovered({ agent, echo });
      expect(agent.log).not.to.include('"T"');
    });

    it('a name that cannot be resolved for a while', async () => {
      const dns = await ScriptedDns.start();
      const port = nextPort++;
      dns.spoil = (answer) => ({ ...answer, flags: 2 });
      const transport = { dns: { override: `127.0.0.1:${dns.port}` } };
      const agent = agentOf(`engine.example.test:${engine.port}`, port, { transport });
      try {
        await unready(agent, /not connected: .*engine\.example\.test/);
        await healthy(agent);
        dns.answer = (name, type) => (type === 'A' ? [{ type: 'A', name, ttl: 1, data: '127.0.0.1' }] : []);
        dns.spoil = (answer) => answer;
        await recovered({ agent, echo: echoAt(port) });
      } finally {
        await agent.dispose();
        dns.stop();
      }
    });
  });
});
