// How long a hostname is without an owner when one agent lets go of it and the next one stands by: many handovers in a row,
// agents in this process, the engine in its own.

import { expect } from 'chai';
import { Forwarder } from '../../src/agent/forwarder.ts';
import type { LiveOwner } from '../../src/agent/handover.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { Pulse } from '../../src/agent/pulse.ts';
import { AgentState } from '../../src/agent/state.ts';
import { Supervisor } from '../../src/agent/supervisor.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { TunnelHolder } from '../../src/agent/tunnel-holder.ts';
import { Backoff } from '../../src/common/backoff.ts';
import { systemClock as clock, sleep } from '../../src/common/clock.ts';
import { silentLogger as log } from '../../src/common/logging.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { EngineProcess, handoverExchanges } from '../support/engine-process.ts';
import { eventually } from '../support/eventually.ts';
import { median } from '../support/median.ts';

const handovers = 21;
/** A machine busy with something else may spoil a batch; an agent that asks too seldom spoils every one. */
const batches = 6;

interface Batch {
  /** Milliseconds, the median. */
  readonly gap: number;
  /** What one exchange with the engine's process took meanwhile. */
  readonly exchange: number;
}

describe('the gap of a handover', function () {
  this.timeout(300_000);
  let engine: EngineProcess;
  let live: LiveOwner;

  before(async () => {
    engine = await EngineProcess.start();
  });
  after(() => engine.stop());

  function agent(podName: string) {
    const state = new AgentState();
    const backoff = new Backoff({ initialMs: 100, maxMs: 1_000 });
    const parts = { state, backoff, pulse: new Pulse(clock), metrics: new AgentMetrics(clock), clock, log };
    const target = { host: '127.0.0.1', port: 1 };
    const { ca } = engine;
    const transport = new TlsTransport({ material: () => ({ ca }) });
    const holder = new TunnelHolder({
      ...parts,
      request: { protocol: 'http', hostname: 'gap.t.engine.test' },
      forwarder: new Forwarder({ ...parts, target, health: new TargetHealth(() => {}) }),
      live: async () => live,
      podName,
      release: 'close',
      drainMs: 5_000,
    });
    const supervisor = new Supervisor({
      ...parts,
      holder,
      open: openControlChannel,
      channel: { engine: { host: '127.0.0.1', port: engine.port }, transport, token: 'T', clock },
    });
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    const until = (kind: string) => eventually(`${podName} is ${kind}`, () => state.tunnel.kind === kind);
    const end = async () => {
      stop.abort();
      await running;
    };
    return { until, end };
  }

  async function measure(batch: number): Promise<Batch> {
    await engine.admin('DELETE', '/records');
    const took: number[] = [];
    let owner = agent(`${batch}-0`);
    await owner.until('online');
    for (let count = 1; count <= handovers; count += 1) {
      live = { tunnelReady: true, agentPod: `${batch}-${count - 1}` };
      const next = agent(`${batch}-${count}`);
      await next.until('standby');
      took.push(await engine.exchangeMs());
      // An owner leaves when it likes, not always just after a question: that would be the worst moment.
      await sleep(clock, 150 * Math.random());
      await owner.end();
      await next.until('online');
      owner = next;
    }
    const gaps = await engine.gaps();
    expect(gaps.length).to.be.at.least(handovers);
    await owner.end();
    return { gap: median(gaps), exchange: median(took) };
  }

  it('is less than 100 ms at the median, beyond what a busy machine adds', async () => {
    live = { tunnelReady: false, agentPod: undefined };
    const measured: Batch[] = [];
    const own = ({ gap, exchange }: Batch) => gap - handoverExchanges * exchange;
    for (let batch = 0; batch < batches && !measured.some((each) => own(each) < 100); batch += 1) {
      measured.push(await measure(batch));
    }
    const best = measured.toSorted((a, b) => own(a) - own(b))[0] ?? { gap: Number.NaN, exchange: 0 };
    console.log(
      `      ${handovers} handovers without an owner for ${Math.round(best.gap)} ms at the median, ` +
        `where an exchange took ${best.exchange.toFixed(1)} ms`,
    );
    expect(own(best)).to.be.below(100);
  });
});
