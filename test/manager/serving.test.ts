// The manager's probes, asked over HTTP while its API server misbehaves.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import type { HealthServer } from '../../src/common/health-server.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { parseFlags } from '../../src/manager/flags.ts';
import { Manager } from '../../src/manager/manager.ts';
import { serveManager } from '../../src/manager/serving.ts';
import { eventually } from '../support/eventually.ts';
import { bookmark, json, list, object, silence, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

const flags = parseFlags([
  ...['--agent-image', 'agent:test'],
  ...['--health-probe-bind-address', '127.0.0.1:0', '--metrics-bind-address', '127.0.0.1:0'],
]);

/** A client of which one verb never comes back: what no deadline can end. */
class StuckClient extends KubeClient {
  calls = 0;

  override get(): Promise<never> {
    this.calls += 1;
    return new Promise(() => {});
  }
}

describe('the manager’s probes', () => {
  let server: ScriptedApiserver;
  let manager: Manager;
  let client: StuckClient;
  let servers: readonly HealthServer[];
  /** Milliseconds that the manager's clock is ahead. */
  let ahead: number;
  let stop: AbortController;
  let leading: Promise<void> | undefined;

  beforeEach(async () => {
    ahead = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead };
    server = await ScriptedApiserver.start();
    const { credentials } = server;
    const registry = new Registry();
    client = new StuckClient({ credentials, clock: systemClock });
    const metrics = new KubeMetrics(registry);
    manager = new Manager({ client, clock, log: silentLogger, registry, metrics, flags, identity: 'm' });
    servers = await serveManager(manager, registry, flags);
    stop = new AbortController();
    leading = undefined;
  });

  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await manager.stop();
    await Promise.all(servers.map((one) => one.close()));
    client.close();
    await server.stop();
  });

  const probe = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${servers[0]?.port}${path}`);
    return { status: response.status, text: (await response.text()).trim() };
  };
  const becomes = async (path: string, status: number, text: RegExp) =>
    await eventually(`${path} answers ${status}`, async () => {
      const answer = await probe(path);
      if (answer.status !== status || !text.test(answer.text)) throw new Error(answer.text);
      return true;
    });

  it('are well while watches live, whatever the time', async () => {
    server.otherwise('list', list(5, [])).otherwise('watch', watch(bookmark(6)));
    await manager.start(stop.signal);
    await becomes('/readyz', 200, /^ok$/);
    await eventually('every watch stands', () => server.seen('watch').length >= 11);
    expect(await probe('/healthz')).to.deep.equal({ status: 200, text: 'ok' });
  });

  it('are not ready before the caches are filled', async () => {
    server.otherwise('list', silence);
    manager.start(stop.signal).catch(() => {});
    await becomes('/readyz', 503, /caches/);
    expect((await probe('/healthz')).status).to.equal(200);
  });

  it('are not ready before the caches are filled, and say which right is missing', async () => {
    const answer = status(403, 'Forbidden', { message: 'services is forbidden' });
    server.otherwise('watch', watch(bookmark(6))).otherwise('list', (response, request) => {
      (request.path.endsWith('/services') ? answer : list(5, []))(response, request);
    });
    manager.start(stop.signal).catch(() => {});
    await becomes('/readyz', 503, /^the caches are not filled yet: services is forbidden$/);
  });

  it('are not ready while a right to watch is gone that was there, but well: to begin anew would not help', async () => {
    let isGone = true;
    const message = 'pods is forbidden: User "manager" cannot watch resource "pods"';
    server.otherwise('list', list(5, [])).otherwise('watch', (response, request) => {
      const isRefused = isGone && request.path.endsWith('/pods');
      (isRefused ? status(403, 'Forbidden', { message }) : watch(bookmark(6)))(response, request);
    });
    await manager.start(stop.signal);
    await becomes('/readyz', 503, /^changes are not seen, .*: pods is forbidden: .* cannot watch/);
    expect((await probe('/healthz')).status).to.equal(200);
    isGone = false;
    await becomes('/readyz', 200, /^ok$/);
  });

  it('are ready while the API server is down: it tells when it is back', async () => {
    server.otherwise('list', list(5, [])).otherwise('watch', status(503, 'ServiceUnavailable'));
    await manager.start(stop.signal);
    await eventually('every watch has failed', () => server.seen('watch').length >= 11);
    expect(await probe('/readyz')).to.deep.equal({ status: 200, text: 'ok' });
  });

  it('are beside exactly the metrics that docs/metrics.md explains', async () => {
    server.otherwise('list', list(5, [])).otherwise('watch', watch(bookmark(6)));
    await manager.start(stop.signal);
    leading = manager.lead(client, 'cluster', stop.signal);
    const body = await (await fetch(`http://127.0.0.1:${servers[1]?.port}/metrics`)).text();
    const printed = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const [, section] =
      /\n## The manager\n([\s\S]*?)\n## /.exec(readFileSync('docs/metrics.md', 'utf8')) ?? [];
    const explained = [...(section ?? '').matchAll(/^\| `(\w+)` \| (\w+) \|/gm)];
    expect(printed.toSorted()).to.deep.equal(explained.map(([, name, type]) => `${name} ${type}`).toSorted());
  });

  it('fail when a watch is stalled', async () => {
    server.otherwise('list', list(5, [])).otherwise('watch', watch());
    await manager.start(stop.signal);
    await eventually('every watch stands', () => server.seen('watch').length >= 11);
    expect((await probe('/healthz')).status).to.equal(200);
    ahead = 6 * 60_000;
    await becomes('/healthz', 503, /^the watch of \S+ is open but has received nothing for 36\d s$/);
  });

  it('fail when the watch of ReferenceGrants is stalled', async () => {
    server.otherwise('list', (response, request) => {
      const isGroup = request.path === '/apis/gateway.networking.k8s.io/v1';
      const answer = isGroup ? json(200, { resources: [{ name: 'referencegrants' }] }) : list(5, []);
      answer(response, request);
    });
    server.otherwise('watch', (response, request) => {
      const answer = request.path.endsWith('/referencegrants') ? watch() : watch(bookmark(6));
      answer(response, request);
    });
    await manager.start(stop.signal);
    await eventually('every watch stands', () => server.seen('watch').length >= 12);
    expect((await probe('/healthz')).status).to.equal(200);
    ahead = 6 * 60_000;
    await becomes('/healthz', 503, /^the watch of referencegrants\S* is open but has received nothing/);
  });

  it('fail when a worker is stuck, and name the key', async () => {
    const engine = { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } };
    const connection = { ...object('default', 3, { generation: 1, namespace: 'shop' }), spec: engine };
    server.otherwise('watch', watch(bookmark(6))).otherwise('list', (response, request) => {
      const items = request.path.endsWith('/rstreamconnections') ? [connection] : [];
      json(200, { metadata: { resourceVersion: '5' }, items })(response, request);
    });
    await manager.start(stop.signal);
    leading = manager.lead(client, 'cluster', stop.signal);
    leading.catch(() => {});
    await eventually('the worker is at it', () => client.calls === 1);
    expect((await probe('/healthz')).status).to.equal(200);
    ahead = 4.5 * 60_000;
    await becomes(
      '/healthz',
      503,
      /^a worker of controller rstreamconnection has been at shop\/default for 27\d s$/,
    );
  });
});
