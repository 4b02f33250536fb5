// What an agent tells of itself: metrics, held against docs/metrics.md, and a log that names tunnel, stream and cause and never
// holds payload, token or secret.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { renderTunnelAgent } from '../../charts-ts/agent.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { echoService, type TcpService } from '../support/tcp-service.ts';
import { gone, roundTrip } from '../support/transfers.ts';

const token = 'account-token-of-this-test';
const payload = 'payload-of-this-test';

describe('what an agent tells of itself', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-observability-'));
  const caFile = join(directory, 'ca.pem');
  let engine: Engine;
  let service: TcpService;
  let port: number;

  before(async () => writeFileSync(caFile, (await testAuthority()).certificate));
  beforeEach(async () => {
    const tcpPorts = await freePorts(1);
    port = tcpPorts.from;
    engine = await startTestEngine({ tcpPorts, tokens: [token] });
    service = await echoService();
  });
  afterEach(async () => {
    await stopAgents();
    await service.close();
    await engine.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function agent(): AgentProcess {
    return new AgentProcess({
      config: {
        connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile } },
        tunnel: { name: 'observed', protocol: 'tcp', tcpPort: port },
        target: { host: '127.0.0.1', port: String(service.port) },
        retry: { initial: '50ms', max: '200ms' },
        log: { level: 'debug' },
      },
      env: { RSTREAM_AUTHENTICATION_TOKEN: token },
    });
  }

  async function visit() {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  /** The samples of /metrics by name and labels. */
  async function scrape(of: AgentProcess): Promise<ReadonlyMap<string, number>> {
    const { body } = await of.probe('/metrics');
    const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    );
  }

  /** Until the samples are these. */
  const counts = (of: AgentProcess, expected: Readonly<Record<string, number>>) =>
    eventually(`it counts ${JSON.stringify(expected)}`, async () => {
      const samples = await scrape(of);
      for (const [name, value] of Object.entries(expected)) {
        expect(samples.get(`rstream_agent_${name}`), name).to.equal(value);
      }
      return true;
    });

  it('prints exactly the metrics that docs/metrics.md explains', async () => {
    const { body } = await agent().probe('/metrics');
    const printed = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const explained = [...text.matchAll(/^\| `(rstream_agent_\w+)` \| (\w+) \|/gm)];
    expect(printed.toSorted()).to.deep.equal(explained.map(([, name, type]) => `${name} ${type}`).toSorted());
    for (const line of text.split('\n').filter((line) => line.includes('`rstream_agent_'))) {
      const help = body.includes(`# HELP ${/rstream_agent_\w+/.exec(line)?.[0]} `);
      expect(help || !line.startsWith('|'), line).to.equal(true);
    }
  });

  it('counts sessions, streams, bytes and latencies', async () => {
    const observed = agent();
    await observed.ready();
    await counts(observed, { session_up: 1, streams_total: 0, streams_active: 0 });
    const open = await visit();
    open.write(payload);
    await once(open, 'data');
    for (let count = 0; count < 3; count += 1)
      expect(await roundTrip(await visit(), payload)).to.equal(payload);
    await counts(observed, {
      streams_total: 4,
      streams_active: 1,
      'bytes_total{to="engine"}': 4 * payload.length,
      'bytes_total{to="target"}': 4 * payload.length,
      dial_back_seconds_count: 4,
      target_dial_seconds_count: 4,
    });
    const age = (await scrape(observed)).get('rstream_agent_session_age_seconds') ?? 0;
    expect(age).to.be.greaterThan(0);

    engine.registry.clients[0]?.end('drop');
    await eventually('it is back', () => observed.addresses.length === 2);
    await counts(observed, { session_up: 1, 'reconnects_total{cause="soft"}': 1, streams_active: 1 });
    engine.registry.clients[0]?.end('close');
    await eventually('it is back', () => observed.addresses.length === 3);
    await counts(observed, { 'reconnects_total{cause="clean"}': 1 });

    observed.daemon.signal('SIGTERM');
    await eventually('it drains', async () => {
      const samples = await scrape(observed);
      return (
        (samples.get('rstream_agent_drain_seconds') ?? 0) > 0 && samples.get('rstream_agent_session_up') === 0
      );
    });
    open.end();
    await observed.daemon.exited;
  });

  it('counts and logs what fails, with its cause, and names tunnel and stream', async () => {
    const observed = agent();
    await observed.ready();
    const reset = await visit();
    reset.write(payload);
    await once(reset, 'data');
    for (const socket of service.sockets) socket.resetAndDestroy();
    await gone(reset);
    await counts(observed, { 'stream_failures_total{cause="target"}': 1 });

    await service.close();
    const refused = await visit();
    refused.write(payload);
    await gone(refused);
    await counts(observed, { 'stream_failures_total{cause="dial"}': 1, streams_active: 0 });

    const tunnelId = engine.registry.tunnels[0]?.id ?? '';
    const value = { tunnelId, streamId: 'a'.repeat(24), secret: 's', proxyEndpoint: '127.0.0.1:1' };
    engine.registry.clients[0]?.send({ case: 'proxyConnReq', value });
    await counts(observed, { 'dial_back_failures_total{cause="connect"}': 1 });

    const ofStreams = observed.events.filter(({ stream }) => stream !== undefined);
    expect(ofStreams.every(({ tunnel }) => tunnel === 'observed')).to.equal(true);
    expect(ofStreams.map(({ msg, cause }) => [msg, cause])).to.deep.include.members([
      ['a stream was cut', 'target'],
      ['could not reach the target', 'dial'],
      ['could not dial back for a stream', 'connect'],
    ]);
    const unreachable = ofStreams.find(({ msg }) => msg === 'could not reach the target');
    expect(JSON.stringify(unreachable?.error)).to.include('ECONNREFUSED');
  });

  it('logs neither payload nor token nor the secret of a stream', async () => {
    const observed = agent();
    await observed.ready();
    for (let count = 0; count < 3; count += 1) await roundTrip(await visit(), payload);
    engine.authenticator.setTokens(['another']);
    engine.registry.clients[0]?.end('drop');
    await eventually('it is refused', () => observed.log.includes('refused us'));
    engine.authenticator.setTokens([token]);
    await eventually('it is back', () => observed.addresses.length === 2);
    await observed.stop();

    const proxied = engine.recorder.entries.filter(
      (entry) => entry.kind === 'received' && entry.payload === 'proxyReq',
    );
    const secrets = [...JSON.stringify(proxied).matchAll(/"token":"(\w+)"/g)].map(
      ([, secret]) => secret ?? '',
    );
    expect(secrets).to.have.length(3);
    for (const secret of [token, payload, ...secrets])
      expect(observed.log.includes(secret), secret).to.equal(false);
    expect(observed.events.every(({ msg, time, level }) => msg && time && level)).to.equal(true);
  });

  it('is scraped at the port that PodMonitors name', () => {
    const chart = readFileSync(new URL('../../charts-ts/monitoring.ts', import.meta.url), 'utf8');
    const [, name] = /podMetricsEndpoints: \[\{ port: '(\w+)'/.exec(chart) ?? [];
    const objects = renderTunnelAgent({
      tunnel: { name: 'web', namespace: 'default', uid: '0' },
      config: {
        connection: { engine: 'engine.test:443' },
        tunnel: { name: 'web' },
        target: { host: 'web', port: '80', protocol: 'TCP' },
      },
      configHash: 'x',
      image: 'i',
      secrets: {},
    });
    const deployment = JSON.stringify(objects.find(({ kind }) => kind === 'Deployment'));
    expect(deployment).to.include(`"ports":[{"containerPort":8081,"name":"${name}"}]`);
  });
});
