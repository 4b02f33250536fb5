// Agents of one tunnel side by side, on an engine in memory and a clock that the test turns: hours pass in a moment.

import { Forwarder } from '../../src/agent/forwarder.ts';
import type { LiveOwner } from '../../src/agent/handover.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { Pulse } from '../../src/agent/pulse.ts';
import { AgentState } from '../../src/agent/state.ts';
import { Supervisor } from '../../src/agent/supervisor.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { TunnelHolder } from '../../src/agent/tunnel-holder.ts';
import { Backoff } from '../../src/common/backoff.ts';
import { sleep } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { TransportError } from '../../src/rstream/errors.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { ManualClock } from './manual-clock.ts';
import type { MemoryChannel, MemoryEngine } from './memory-engine.ts';

export interface HeldAgent {
  readonly name: string;
  readonly state: AgentState;
  readonly pulse: Pulse;
  readonly forwarder: Forwarder;
  readonly stop: AbortController;
  readonly running: Promise<void>;
  /** When it tried to connect. */
  readonly connects: number[];
  readonly channel: MemoryChannel | undefined;
}

export class SideBySide {
  readonly clock = new ManualClock();
  readonly agents: HeldAgent[] = [];
  /** What the tunnel's status says. */
  live: LiveOwner | undefined = { tunnelReady: false, agentPod: undefined };
  /** Whether agents report to `live`, as they do to the API server. */
  reporting = true;
  /** Whether reads of `live` are answered. */
  readable = true;
  /** Whether the engine takes connections. */
  reachable = true;
  /** How long an attempt to connect takes to fail. */
  attemptMs = 0;
  /** Whether connections send heartbeats. */
  beating = true;

  /** One more agent of the tunnel, running. */
  agent(name: string, engine: MemoryEngine): HeldAgent {
    const { clock } = this;
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
      live: async () => (this.readable ? this.live : new Promise(() => {})),
      podName: name,
      release: 'close',
      drainMs: 1_000,
    });
    const supervisor = new Supervisor({
      ...parts,
      holder,
      open: async ({ observer }) => {
        connects.push(clock.now());
        if (!this.reachable && this.attemptMs > 0) await sleep(clock, this.attemptMs);
        if (!this.reachable) throw new TransportError('nobody there');
        const opened = engine.connect(name);
        channel = opened;
        const beat = () => {
          if (opened.over || !this.beating) return;
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
      if (!this.reporting || kind === 'stopping') return;
      if (kind === 'online') this.live = { tunnelReady: true, agentPod: name };
      else if (this.live?.agentPod === name) this.live = { tunnelReady: false, agentPod: name };
    });
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    const made = {
      name,
      state,
      pulse,
      forwarder,
      stop,
      running,
      connects,
      get channel() {
        return channel;
      },
    };
    this.agents.push(made);
    return made;
  }

  async stop(): Promise<void> {
    for (const agent of this.agents) agent.stop.abort();
    await this.clock.advance(60_000);
    await Promise.all(this.agents.map(({ running }) => running));
  }
}
