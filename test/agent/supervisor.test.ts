// Keeping a tunnel online over hours: how soon to try again, and never to look stuck meanwhile.

import { expect } from 'chai';
import { Forwarder } from '../../src/agent/forwarder.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { Pulse } from '../../src/agent/pulse.ts';
import { AgentState } from '../../src/agent/state.ts';
import { Supervisor } from '../../src/agent/supervisor.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { TunnelHolder } from '../../src/agent/tunnel-holder.ts';
import { Backoff } from '../../src/common/backoff.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { unlessAborted } from '../../src/common/unless-aborted.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryEngine, type Policy } from '../support/memory-engine.ts';
import { SideBySide } from '../support/side-by-side.ts';

const minute = 60_000;
const hour = 60 * minute;

describe('keeping a tunnel online', function () {
  this.timeout(120_000);
  let world: SideBySide;

  beforeEach(() => {
    world = new SideBySide();
  });
  afterEach(async () => await world.stop());

  it('backs off while the engine is away, and starts anew after a minute of health', async () => {
    const engine = new MemoryEngine('refuse');
    world.reachable = false;
    const one = world.agent('one', engine);
    await world.clock.advance(3 * minute);
    const gaps = one.connects.slice(1).map((at, index) => at - (one.connects[index] ?? 0));
    expect(gaps.slice(0, 5)).to.deep.equal([750, 1_500, 3_000, 6_000, 12_000]);
    expect(gaps.at(-1)).to.equal(22_500);
    world.reachable = true;
    await world.clock.advance(30_000);
    expect(one.state.tunnel.kind).to.equal('online');
    await world.clock.advance(minute);
    const before = one.connects.length;
    one.channel?.lose();
    await world.clock.advance(749);
    expect(one.connects.length).to.equal(before);
    await world.clock.advance(1);
    expect(one.connects.length).to.equal(before + 1);
  });

  it('counts an hour of standing by as health too', async () => {
    const engine = new MemoryEngine('refuse');
    world.agent('owner', engine);
    await world.clock.advance(1_000);
    world.reachable = false;
    const standby = world.agent('standby', engine);
    await world.clock.advance(3 * minute);
    world.reachable = true;
    await world.clock.advance(hour);
    expect(standby.state.tunnel.kind).to.equal('standby');
    const before = standby.connects.length;
    standby.channel?.lose();
    await world.clock.advance(750);
    expect(standby.connects.length).to.equal(before + 1);
  });

  it('asks anew from the first delay when it is refused after an hour online, on the same connection', async () => {
    const engine = new MemoryEngine('refuse');
    engine.refusal = 6000;
    const one = world.agent('one', engine);
    await world.clock.advance(5 * minute);
    engine.refusal = undefined;
    await world.clock.advance(hour);
    expect(one.state.tunnel.kind).to.equal('online');
    engine.refusal = 6000;
    engine.revoke();
    await world.clock.advance(2_000);
    const before = engine.requests;
    await world.clock.advance(750 + 1_500 + 3_000);
    expect(engine.requests - before).to.equal(3);
    expect(one.connects).to.have.length(1);
  });

  it('counts an hour of standing by for who has displaced it as well', async () => {
    const engine = new MemoryEngine('takeover');
    world.reachable = false;
    const one = world.agent('one', engine);
    await world.clock.advance(3 * minute);
    world.reachable = true;
    await world.clock.advance(30_000);
    world.agent('another', engine);
    await world.clock.advance(hour);
    expect(one.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'another' });
    const before = one.connects.length;
    one.channel?.lose();
    await world.clock.advance(750);
    expect(one.connects.length).to.equal(before + 1);
  });

  it('does not count time in which it was refused', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = world.agent('owner', engine);
    await world.clock.advance(1_000);
    const standby = world.agent('standby', engine);
    await world.clock.advance(30_000);
    world.reachable = false;
    engine.ghost = true;
    owner.channel?.lose();
    world.live = { tunnelReady: false, agentPod: 'owner' };
    await world.clock.advance(10 * minute);
    expect(standby.state.tunnel.kind).to.equal('rejected');
    const before = standby.connects.length;
    standby.channel?.lose();
    await world.clock.advance(22_499);
    expect(standby.connects.length).to.equal(before);
    await world.clock.advance(1);
    expect(standby.connects.length).to.equal(before + 1);
  });

  it('lets its streams end when it is stopped while the engine is away', async () => {
    world.reachable = false;
    const one = world.agent('one', new MemoryEngine('refuse'));
    await world.clock.advance(3 * minute);
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    const packets = { maxPacketBytes: 1_200, send: () => true, receive: () => {}, close, closed };
    void one.forwarder.forward({ kind: 'packets', id: 's', sourceIp: undefined, packets });
    let over = false;
    const running = one.running.then(() => (over = true));
    one.stop.abort();
    await world.clock.advance(999);
    expect([over, one.state.tunnel.kind]).to.deep.equal([false, 'stopping']);
    close();
    await running;
  });

  it('does not start anew when the connection breaks time and again', async () => {
    const engine = new MemoryEngine('refuse');
    const one = world.agent('one', engine);
    for (let round = 0; round < 400; round += 1) {
      await world.clock.advance(500);
      one.channel?.lose();
    }
    expect(one.connects.length).to.be.at.most(20);
  });

  for (const policy of ['refuse', 'takeover'] satisfies Policy[]) {
    it(`is never taken for stuck while it waits on purpose: ${policy}`, async () => {
      world.beating = false;
      world.live = policy === 'refuse' ? world.live : undefined;
      world.reporting = policy === 'refuse';
      const engine = new MemoryEngine(policy);
      world.agent('first', engine);
      await world.clock.advance(5_000);
      world.agent('second', engine);
      for (let minutes = 0; minutes < 60; minutes += 1) {
        await world.clock.advance(minute);
        const waiting = world.agents.filter(({ state }) => state.tunnel.kind !== 'online');
        expect(waiting).to.have.length(1);
        expect(waiting[0]?.pulse.failure(), `after ${minutes} minutes`).to.equal(undefined);
      }
    });
  }

  describe('is healthy for the kubelet for hours', () => {
    const situations: Readonly<Record<string, (engine: MemoryEngine) => void>> = {
      'while it serves': () => {},
      'while the engine is away': () => {
        world.reachable = false;
      },
      'while every attempt takes as long as it may': () => {
        world.reachable = false;
        world.attemptMs = 45_000;
      },
      'while the engine refuses': (engine) => {
        engine.refusal = 5000;
      },
      'while another agent has the tunnel': (engine) => {
        engine.ghost = true;
        world.live = { tunnelReady: true, agentPod: 'other' };
      },
      'while the engine took the tunnel away': (engine) => {
        world.clock.after(minute, () => {
          engine.revoke();
          world.live = { tunnelReady: true, agentPod: 'other' };
        });
      },
    };
    for (const [situation, arrange] of Object.entries(situations)) {
      it(situation, async () => {
        const engine = new MemoryEngine('refuse');
        arrange(engine);
        const one = world.agent('one', engine);
        for (let minutes = 0; minutes < 120; minutes += 1) {
          await world.clock.advance(minute - 1_000);
          expect(one.pulse.failure(), `after ${minutes} minutes`).to.equal(undefined);
          await world.clock.advance(1_000);
        }
      });
    }
  });

  it('is alive again with its next attempt to connect, after a machine that slept', async () => {
    const [clock, log] = [new ManualClock(), silentLogger];
    const [state, pulse, metrics] = [new AgentState(), new Pulse(clock), new AgentMetrics(clock)];
    const backoff = new Backoff({ initialMs: 1_000, maxMs: 30_000 });
    const target = { host: '127.0.0.1', port: 1 };
    const forwarder = new Forwarder({ target, clock, log, metrics, health: new TargetHealth(() => {}) });
    const parts = { state, pulse, metrics, clock, log, backoff };
    const settings = { request: {}, podName: undefined, release: 'close', drainMs: 1_000 } as const;
    const supervisor = new Supervisor({
      ...parts,
      holder: new TunnelHolder({ ...parts, ...settings, forwarder }),
      open: (_options, signal) => unlessAborted(new Promise(() => {}), signal),
      channel: { engine: { host: 'engine.test', port: 443 }, transport: new TlsTransport(), clock },
    });

    await clock.advance(120_000);
    expect(pulse.failure()).to.include('stuck');
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    expect(pulse.failure()).to.equal(undefined);
    stop.abort();
    await running;
  });
});
