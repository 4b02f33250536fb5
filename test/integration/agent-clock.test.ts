// A whole agent in this process, with a clock that lies: jumps of the wall clock and of the machine's own, and timers that never
// fire again.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { runAgent } from '../../src/agent/agent.ts';
import { readSettings } from '../../src/agent/settings.ts';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { createLogger } from '../../src/common/logging.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';

const hour = 3_600_000;
const tenYears = 10 * 365 * 24 * hour;

/** The system's clock, with hands of the test's own on top. */
class LyingClock implements Clock {
  wallOffsetMs = 0;
  monotonicOffsetMs = 0;
  /** Timers that fall due are forgotten. */
  stuck = false;
  readonly now = () => systemClock.now() + this.monotonicOffsetMs;
  readonly date = () => new Date(systemClock.date().getTime() + this.wallOffsetMs);
  readonly after: Clock['after'] = (delayMs, callback, options) =>
    systemClock.after(delayMs, () => this.stuck || callback(), options);
}

describe('the agent as a whole', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-agent-whole-'));
  const file = join(directory, 'config.yaml');
  let engine: Engine;
  let clock: LyingClock;
  let lines: string[];
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    const caFile = join(directory, 'ca.pem');
    writeFileSync(caFile, (await testAuthority()).certificate);
    engine = await startTestEngine();
    engine.faults.liveness = { intervalMs: 5_000, timeoutMs: 15_000 };
    const config = {
      connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile } },
      tunnel: { name: 'whole' },
      target: { host: '127.0.0.1', port: '1' },
      retry: { initial: '100ms', max: '1s' },
    };
    writeFileSync(file, stringify(config));
    clock = new LyingClock();
    lines = [];
    stop = new AbortController();
    const env = { RSTREAM_AUTHENTICATION_TOKEN: 'T' };
    const args = ['--config', file, '--health-bind-address', '127.0.0.1:0'];
    const settings = readSettings(args, env, clock);
    if (!settings) throw new Error('no settings');
    const log = createLogger('agent', { destination: { write: (line) => void lines.push(line) } });
    running = runAgent(settings, { clock, log, env }, stop.signal);
    await eventually('the tunnel is online', () => engine.registry.tunnels.length === 1);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await engine.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function healthz(): Promise<string> {
    const started = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'started');
    const response = await fetch(`http://127.0.0.1:${started.healthPort}/healthz`);
    return `${response.status} ${(await response.text()).trim()}`;
  }

  const heartbeats = () =>
    engine.recorder.entries.filter((entry) => entry.kind === 'received' && entry.payload === 'heartbeat')
      .length;

  it('does not care where the wall clock jumps', async () => {
    const [client] = engine.registry.clients;
    const before = heartbeats();
    clock.wallOffsetMs = -tenYears;
    expect(await healthz()).to.equal('200 ok');
    clock.wallOffsetMs = tenYears;
    await eventually('heartbeats go on', () => heartbeats() > before, { timeoutMs: 30_000 });
    expect(engine.registry.clients).to.deep.equal([client]);
    expect(await healthz()).to.equal('200 ok');
  });

  it('is healthy again right after a machine slept for an hour', async () => {
    const before = heartbeats();
    clock.monotonicOffsetMs = hour;
    await eventually('heartbeats go on', () => heartbeats() > before, { timeoutMs: 30_000 });
    expect(await healthz()).to.equal('200 ok');
    await eventually('the tunnel is online', () => engine.registry.tunnels.length === 1, {
      timeoutMs: 30_000,
    });
  });

  it('tells the kubelet when it is stuck', async () => {
    expect(await healthz()).to.equal('200 ok');
    clock.stuck = true;
    clock.monotonicOffsetMs = 59_000 - 5_000;
    expect(await healthz()).to.equal('200 ok');
    clock.monotonicOffsetMs = 66_000;
    expect(await healthz()).to.match(/^503 the agent is stuck/);
    clock.stuck = false;
  });
});
