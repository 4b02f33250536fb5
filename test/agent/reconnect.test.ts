// Conformance case 104: the agent outlives its engine. Its clock is the test's, everything else is real.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { runAgent } from '../../src/agent/agent.ts';
import { readSettings } from '../../src/agent/settings.ts';
import { createLogger } from '../../src/common/logging.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { noFaults } from '../../src/dev-engine/faults.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { echoService, type TcpService } from '../support/tcp-service.ts';

const hostname = 'kept.t.engine.test';

describe('reconnecting', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rstream-reconnect-'));
  const clock = new ManualClock();
  const stop = new AbortController();
  const events: Record<string, unknown>[] = [];
  let engine: Engine;
  let service: TcpService;
  let running: Promise<void>;

  before(async () => {
    engine = await startTestEngine();
    service = await echoService();
    writeFileSync(join(directory, 'ca.pem'), engine.authority.certificate);
  });
  after(async () => {
    stop.abort();
    const over = running.then(() => true);
    await eventually('the agent has left', async () => {
      await clock.advance(1_000);
      return Promise.race([over, false]);
    });
    await service.close();
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const delays = () =>
    events
      .filter(({ msg }) => msg === 'waiting before connecting again')
      .map(({ delayMs }) => Number(delayMs));
  const online = (times: number) =>
    eventually(`the tunnel was online ${times} times`, async () => {
      return events.filter(({ msg }) => msg === 'the tunnel is online').length === times;
    });
  /** Waits out the next delays, one failed attempt after the other. */
  const failures = async (count: number): Promise<readonly number[]> => {
    const before = delays().length;
    for (let seen = 0; seen < count; seen += 1) {
      const delay = await eventually('it waits', () => delays()[before + seen]);
      if (seen < count - 1) await clock.advance(delay + 1);
    }
    return delays().slice(before);
  };

  it('cases 97 and 104: keeps its hostname, tries ever more rarely, starts over once healthy, and leaves old streams alone', async () => {
    const config = {
      connection: {
        engine: `127.0.0.1:${engine.port}`,
        tls: { caFile: join(directory, 'ca.pem') },
        transport: { mode: 'tls' },
      },
      tunnel: { name: 'kept', protocol: 'tls', hostname },
      target: { host: '127.0.0.1', port: String(service.port) },
      log: { level: 'debug' },
    };
    writeFileSync(join(directory, 'config.yaml'), stringify(config));
    const args = [`--config=${join(directory, 'config.yaml')}`, '--health-bind-address=127.0.0.1:0'];
    const env = { RSTREAM_AUTHENTICATION_TOKEN: 'T' };
    const settings = readSettings(args, env, clock);
    if (!settings) throw new Error('expected settings');
    const log = createLogger('agent', {
      level: 'debug',
      destination: { write: (line) => void events.push(JSON.parse(line)) },
    });
    // So long that moving the clock by hand never looks like a silent engine.
    const patient = { ...noFaults(), liveness: { intervalMs: 5_000, timeoutMs: 900_000 } };
    engine.faults = patient;
    running = runAgent(settings, { clock, log, env }, stop.signal);
    await online(1);

    const visitor = connect({
      port: engine.port,
      host: '127.0.0.1',
      servername: hostname,
      ca: engine.authority.certificate,
    });
    visitor.write('before');
    expect(String((await once(visitor, 'data'))[0])).to.equal('before');

    engine.faults = { ...patient, refuseConnections: true };
    for (const client of engine.registry.clients) client.end('drop');
    const growing = await failures(6);
    for (const [at, delay] of growing.entries()) {
      const full = Math.min(30_000, 1_000 * 2 ** at);
      expect(delay).to.be.within(full / 2, full);
    }
    visitor.write('meanwhile');
    expect(String((await once(visitor, 'data'))[0])).to.equal('meanwhile');

    engine.faults = patient;
    await clock.advance((growing.at(-1) ?? 0) + 1);
    await online(2);
    expect(engine.registry.tunnels.map(({ properties }) => properties.hostname)).to.deep.equal([hostname]);

    await clock.advance(61_000);
    for (const client of engine.registry.clients) client.end('drop');
    const [again] = await failures(1);
    expect(again).to.be.within(500, 1_000);
    await clock.advance(1_001);
    await online(3);
    const ended = once(visitor, 'end');
    visitor.end();
    await ended;
  });
});
