// Who holds the tunnel over hours: standing by, taking over, being displaced, and when to ask again.

import { expect } from 'chai';
import { Forwarder } from '../../src/agent/forwarder.ts';
import type { LiveOwner } from '../../src/agent/handover.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { Pulse } from '../../src/agent/pulse.ts';
import { AgentState, unreadiness } from '../../src/agent/state.ts';
import { Supervisor } from '../../src/agent/supervisor.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { TunnelHolder } from '../../src/agent/tunnel-holder.ts';
import { Backoff } from '../../src/common/backoff.ts';
import { sleep } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { TransportError } from '../../src/rstream/errors.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type MemoryChannel, MemoryEngine, type Policy } from '../support/memory-engine.ts';

const minute = 60_000;
const hour = 60 * minute;

interface Agent {
  readonly name: string;
  readonly state: AgentState;
  readonly pulse: Pulse;
  readonly stop: AbortController;
  readonly running: Promise<void>;
  /** When it tried to connect. */
  readonly connects: number[];
  readonly channel: MemoryChannel | undefined;
}

describe('holding the tunnel', function () {
  this.timeout(120_000);
  let clock: ManualClock;
  let live: LiveOwner | undefined;
  /** Whether agents report to `live`, as they do to the API server. */
  let reporting: boolean;
  /** Whether reads of `live` are answered. */
  let readable: boolean;
  /** Whether the engine takes connections. */
  let reachable: boolean;
  /** How long an attempt to connect takes to fail. */
  let attemptMs: number;
  /** Whether connections send heartbeats. */
  let beating: boolean;
  let agents: Agent[];

  beforeEach(() => {
    clock = new ManualClock();
    live = { tunnelReady: false, agentPod: undefined };
    reporting = true;
    readable = true;
    reachable = true;
    attemptMs = 0;
    beating = true;
    agents = [];
  });
  afterEach(async () => {
    for (const agent of agents) agent.stop.abort();
    await clock.advance(minute);
    await Promise.all(agents.map(({ running }) => running));
  });

  function agent(name: string, engine: MemoryEngine): Agent {
    const state = new AgentState();
    const pulse = new Pulse(clock);
    const metrics = new AgentMetrics(clock);
    const log = silentLogger;
    const health = new TargetHealth(() => {});
    const target = { host: '127.0.0.1', port: 1 };
    const forwarder = new Forwarder({ target, clock, log, metrics, health });
    const connects: number[] = [];
    let channel: MemoryChannel | undefined;
    const random = () => 0.5;
    const backoff = new Backoff({ initialMs: 1_000, maxMs: 30_000, random });
    const parts = { state, pulse, metrics, clock, log, backoff, random };
    const request = { hostname: 'web.test' };
    const holder = new TunnelHolder({
      ...parts,
      request,
      forwarder,
      live: async () => (readable ? live : new Promise(() => {})),
      podName: name,
      release: 'close',
      drainMs: 1_000,
    });
    const supervisor = new Supervisor({
      ...parts,
      holder,
      open: async ({ observer }) => {
        connects.push(clock.now());
        if (!reachable && attemptMs > 0) await sleep(clock, attemptMs);
        if (!reachable) throw new TransportError('nobody there');
        const opened = engine.connect(name);
        channel = opened;
        const beat = () => {
          if (opened.over || !beating) return;
          observer?.heartbeat?.();
          clock.after(5_000, beat);
        };
        beat();
        return opened;
      },
      channel: { engine: { host: 'engine.test', port: 443 }, transport: new TlsTransport(), clock },
    });
    state.onChange(() => {
      const kind = state.tunnel.kind;
      if (!reporting || kind === 'stopping') return;
      if (kind === 'online') live = { tunnelReady: true, agentPod: name };
      else if (live?.agentPod === name) live = { tunnelReady: false, agentPod: name };
    });
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    const made = {
      name,
      state,
      pulse,
      stop,
      running,
      connects,
      get channel() {
        return channel;
      },
    };
    agents.push(made);
    return made;
  }

  for (const policy of ['refuse', 'takeover', 'share'] satisfies Policy[]) {
    it(`never fights over a name, however long two agents live side by side: ${policy}`, async () => {
      const engine = new MemoryEngine(policy);
      const [first] = [agent('first', engine), await clock.advance(5_000), agent('second', engine)];
      await clock.advance(12 * hour);
      const claims = policy === 'refuse' ? ['first'] : ['first', 'second'];
      expect(engine.claims).to.deep.equal(claims);
      for (const { state } of agents) expect(unreadiness(state.tunnel)).to.equal(undefined);
      expect(first.state.tunnel.kind).to.equal(policy === 'takeover' ? 'standby' : 'online');
    });
  }

  it('never fights for long when nobody can report: takeover', async () => {
    live = undefined;
    reporting = false;
    const engine = new MemoryEngine('takeover');
    agent('first', engine);
    await clock.advance(5_000);
    agent('second', engine);
    await clock.advance(10 * hour);
    // A minute at first, doubling up to ten: a few more at the beginning, then six in an hour.
    expect(engine.claims.length).to.be.at.most(10 + 10 * 6);
    const before = engine.claims.length;
    live = { tunnelReady: true, agentPod: engine.owners[0] };
    reporting = true;
    await clock.advance(10 * hour);
    expect(engine.claims.length).to.be.at.most(before + 1);
  });

  for (const policy of ['refuse', 'takeover'] satisfies Policy[]) {
    it(`is never taken for stuck while it waits on purpose: ${policy}`, async () => {
      beating = false;
      live = policy === 'refuse' ? live : undefined;
      reporting = policy === 'refuse';
      const engine = new MemoryEngine(policy);
      agent('first', engine);
      await clock.advance(5_000);
      agent('second', engine);
      for (let minutes = 0; minutes < 60; minutes += 1) {
        await clock.advance(minute);
        const waiting = agents.filter(({ state }) => state.tunnel.kind !== 'online');
        expect(waiting).to.have.length(1);
        expect(waiting[0]?.pulse.failure(), `after ${minutes} minutes`).to.equal(undefined);
      }
    });
  }

  it('takes over at once when the owner lets go, without asking the whole time', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = agent('owner', engine);
    await clock.advance(1_000);
    agent('standby', engine);
    await clock.advance(30_000);
    expect(engine.requests).to.be.within(200, 400);
    owner.stop.abort();
    await clock.advance(200);
    expect(engine.owners).to.deep.equal(['standby']);
    const before = engine.requests;
    await clock.advance(hour);
    expect(engine.requests).to.equal(before);
  });

  it('stands by patiently for hours', async () => {
    const engine = new MemoryEngine('refuse');
    agent('owner', engine);
    await clock.advance(1_000);
    const standby = agent('standby', engine);
    await clock.advance(6 * hour);
    // 100 ms for a minute, 2 s for five more, 10 s from then on.
    expect(engine.requests).to.be.within(2_500, 3_200);
    expect(standby.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'owner' });
  });

  it('goes on asking while the API server hangs, and stands by as before', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = agent('owner', engine);
    await clock.advance(1_000);
    const standby = agent('standby', engine);
    await clock.advance(1_000);
    readable = false;
    const before = engine.requests;
    await clock.advance(10_000);
    expect(engine.requests - before).to.be.within(90, 110);
    expect(standby.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'owner' });
    owner.stop.abort();
    await clock.advance(200);
    expect(engine.owners).to.deep.equal(['standby']);
  });

  it('waits for the name of an owner that dies after hours, and asks quickly again', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = agent('owner', engine);
    await clock.advance(1_000);
    const standby = agent('standby', engine);
    await clock.advance(3 * hour);
    // SIGKILL with packets lost: the engine still believes in it, and the manager has noticed.
    reachable = false;
    engine.ghost = true;
    owner.channel?.lose();
    live = { tunnelReady: false, agentPod: 'owner' };
    await clock.advance(15_000);
    expect(standby.state.tunnel.kind).to.equal('connecting');
    expect(unreadiness(standby.state.tunnel)).to.include('release web.test');
    engine.ghost = false;
    await clock.advance(300);
    expect(engine.owners).to.deep.equal(['standby']);
  });

  it('calls it a refusal when the name is not let go of within a minute', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = agent('owner', engine);
    await clock.advance(1_000);
    const standby = agent('standby', engine);
    await clock.advance(hour);
    reachable = false;
    engine.ghost = true;
    owner.channel?.lose();
    live = { tunnelReady: false, agentPod: 'owner' };
    await clock.advance(90_000);
    expect(standby.state.tunnel.kind).to.equal('rejected');
  });

  it('backs off while the engine is away, and starts anew after a minute of health', async () => {
    const engine = new MemoryEngine('refuse');
    reachable = false;
    const one = agent('one', engine);
    await clock.advance(3 * minute);
    const gaps = one.connects.slice(1).map((at, index) => at - (one.connects[index] ?? 0));
    expect(gaps.slice(0, 5)).to.deep.equal([750, 1_500, 3_000, 6_000, 12_000]);
    expect(gaps.at(-1)).to.equal(22_500);
    reachable = true;
    await clock.advance(30_000);
    expect(one.state.tunnel.kind).to.equal('online');
    await clock.advance(minute);
    const before = one.connects.length;
    one.channel?.lose();
    await clock.advance(749);
    expect(one.connects.length).to.equal(before);
    await clock.advance(1);
    expect(one.connects.length).to.equal(before + 1);
  });

  it('counts an hour of standing by as health too', async () => {
    const engine = new MemoryEngine('refuse');
    agent('owner', engine);
    await clock.advance(1_000);
    reachable = false;
    const standby = agent('standby', engine);
    await clock.advance(3 * minute);
    reachable = true;
    await clock.advance(hour);
    expect(standby.state.tunnel.kind).to.equal('standby');
    const before = standby.connects.length;
    standby.channel?.lose();
    await clock.advance(750);
    expect(standby.connects.length).to.equal(before + 1);
  });

  it('asks anew from the first delay when it is refused after an hour online, on the same connection', async () => {
    const engine = new MemoryEngine('refuse');
    engine.refusal = 6000;
    const one = agent('one', engine);
    await clock.advance(5 * minute);
    engine.refusal = undefined;
    await clock.advance(hour);
    expect(one.state.tunnel.kind).to.equal('online');
    engine.refusal = 6000;
    engine.revoke();
    await clock.advance(2_000);
    const before = engine.requests;
    await clock.advance(750 + 1_500 + 3_000);
    expect(engine.requests - before).to.equal(3);
    expect(one.connects).to.have.length(1);
  });

  describe('is healthy for the kubelet for hours', () => {
    const situations: Readonly<Record<string, (engine: MemoryEngine) => void>> = {
      'while it serves': () => {},
      'while the engine is away': () => {
        reachable = false;
      },
      'while every attempt takes as long as it may': () => {
        reachable = false;
        attemptMs = 45_000;
      },
      'while the engine refuses': (engine) => {
        engine.refusal = 5000;
      },
      'while another agent has the tunnel': (engine) => {
        engine.ghost = true;
        live = { tunnelReady: true, agentPod: 'other' };
      },
      'while the engine took the tunnel away': (engine) => {
        clock.after(minute, () => {
          engine.revoke();
          live = { tunnelReady: true, agentPod: 'other' };
        });
      },
    };
    for (const [situation, arrange] of Object.entries(situations)) {
      it(situation, async () => {
        const engine = new MemoryEngine('refuse');
        arrange(engine);
        const one = agent('one', engine);
        for (let minutes = 0; minutes < 120; minutes += 1) {
          await clock.advance(minute - 1_000);
          expect(one.pulse.failure(), `after ${minutes} minutes`).to.equal(undefined);
          await clock.advance(1_000);
        }
      });
    }
  });

  it('does not start anew when the connection breaks time and again', async () => {
    const engine = new MemoryEngine('refuse');
    const one = agent('one', engine);
    for (let round = 0; round < 400; round += 1) {
      await clock.advance(500);
      one.channel?.lose();
    }
    expect(one.connects.length).to.be.at.most(20);
  });

  it('asks for a tunnel the engine took away only when nobody else has it', async () => {
    const engine = new MemoryEngine('refuse');
    const one = agent('one', engine);
    await clock.advance(2 * minute);
    engine.revoke();
    live = { tunnelReady: true, agentPod: 'somebody' };
    await clock.advance(hour);
    expect(engine.owners).to.deep.equal([]);
    expect(one.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'somebody' });
    live = { tunnelReady: false, agentPod: 'somebody' };
    await clock.advance(15_000);
    expect(engine.owners).to.deep.equal(['one']);
  });
});
