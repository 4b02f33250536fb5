// Where the hostname of a tunnel comes from in a manager that has just started: its own ConfigMap, as long as we wrote that,
// or the tunnel's identity. No status, and no hand in the ConfigMap, can steer it.

import { expect } from 'chai';
import { parseAgentConfig, stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { NameRegistry } from '../../src/manager/name-registry.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { TunnelMemories } from '../../src/manager/tunnel-memory.ts';
import { TunnelReconciler } from '../../src/manager/tunnel-reconciler.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';
import { json, list, object, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver, type SeenRequest } from '../support/scripted-apiserver.ts';
import { DEFAULT_POLICY, tunnelOf, UID } from './fixtures.ts';

const identity = { name: 'web', namespace: 'shop', uid: UID };
const { config: configName } = childNames('web', UID);
const other = 'r0badcafe-p1.t.edge.example.com';
const configText = stringifyAgentConfig({
  ...AGENT_PROPS.config,
  tunnel: { ...AGENT_PROPS.config.tunnel, hostname: other },
});

/** The tunnel's ConfigMap with another hostname, and who wrote what of it. */
function configMap(...managedFields: readonly object[]) {
  const owner = { apiVersion: 'x/v1', kind: 'RstreamTunnel', name: 'web', uid: UID, controller: true };
  const made = object(configName, 3, {
    namespace: 'shop',
    labels: childLabels(identity, 'config'),
    ownerReferences: [owner],
    managedFields,
  });
  return { ...made, data: { 'config.yaml': configText } };
}
const fields = (...keys: readonly string[]) => Object.fromEntries(keys.map((key) => [`f:${key}`, {}]));
const applied = (...keys: readonly string[]) => ({
  manager: 'rstream-operator',
  operation: 'Apply',
  fieldsV1: { 'f:data': fields(...keys) },
});
const updated = (manager: string, fieldsV1: object) => ({ manager, operation: 'Update', fieldsV1 });
const owning = { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${UID}"}`]: {} } } };

describe('the hostname of a tunnel after a restart of the manager', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    server.otherwise('watch', watch());
    server.otherwise('patch', (response, request) => {
      const { body } = request;
      if (Array.isArray(body)) return json(200, configMap())(response, request);
      const { metadata, ...rest } = body as { readonly metadata: object };
      json(200, { ...rest, metadata: { ...metadata, uid: 'u', resourceVersion: '9' } })(response, request);
    });
    client = server.client();
  });
  afterEach(async () => {
    await server.stop();
  });

  const configMapOf = ({ body }: SeenRequest) =>
    (body as { readonly data: { readonly 'config.yaml': string } }).data['config.yaml'];

  /** What one reconcile of a manager that remembers nothing writes into the ConfigMap. */
  async function hostnameOf(live: ReturnType<typeof configMap> | undefined): Promise<string | undefined> {
    const clock = systemClock;
    const cache = new ManagerCache({ client, clock, log: silentLogger, namespaces: [] });
    server.otherwise('list', list(5, live ? [live] : []));
    server.otherwise('get', (response, request) => {
      const found = live && request.path.includes('/configmaps/');
      (found ? json(200, live) : status(404, 'NotFound'))(response, request);
    });
    cache.children('ConfigMap').start();
    await cache.children('ConfigMap').synced(AbortSignal.timeout(10_000));
    const spec = { engine: 'p1.edge.example.com', tokenSecretRef: { name: 's', key: 'k' } };
    const service = {
      metadata: { ...identity, resourceVersion: '1' },
      headless: false,
      ports: [{ port: 80 }],
    };
    const forged = { hostname: other, conditions: [] };
    const made = tunnelOf({}, forged);
    const tunnel = {
      ...made,
      metadata: { ...made.metadata, resourceVersion: '7' },
      owners: { foreign: [], updaters: [], applied: true },
    };
    const reconciler = new TunnelReconciler({
      ...{ client, clock, agentImage: 'agent:test', clusterId: 'c' },
      applier: new ChildApplier({ client, children: (kind) => cache.children(kind) }),
      names: new NameRegistry(),
      takeovers: new TakeoverWatch(),
      memories: new TunnelMemories(),
      policy: DEFAULT_POLICY,
      tunnel: () => tunnel,
      references: () => ({
        connectionExists: true,
        connection: { ready: { spec, engine: 'p1.edge.example.com:443', secretsDigest: 'd' } },
        service,
        grants: [],
      }),
      pods: () => [],
      written: () => undefined,
      emit: () => undefined,
    });
    try {
      await reconciler.reconcile('shop/web', new AbortController().signal);
    } finally {
      await cache.stop();
    }
    const patches = server.seen('patch').filter(({ path }) => path.endsWith(`/configmaps/${configName}`));
    const last = patches.filter(({ body }) => !Array.isArray(body)).at(-1);
    return last && parseAgentConfig(configMapOf(last)).tunnel.hostname;
  }

  it('is that of the ConfigMap we applied', async () => {
    expect(await hostnameOf(configMap(applied('config.yaml')))).to.equal(other);
  });

  it('is that of the ConfigMap the Go operator made', async () => {
    expect(await hostnameOf(configMap(updated('manager', owning)))).to.equal(other);
  });

  const derived: readonly (readonly [string, ReturnType<typeof configMap> | undefined])[] = [
    ['there is none, whatever the status says', undefined],
    [
      'somebody else wrote it',
      configMap(updated('kubectl-edit', { 'f:data': fields('config.yaml') }), applied('other')),
    ],
  ];
  for (const [what, live] of derived) {
    it(`follows from what the tunnel is when ${what}`, async () => {
      expect(await hostnameOf(live))
        .to.match(/^r[0-9a-f]{8}-p1\.t\.edge\.example\.com$/)
        .and.not.equal(other);
    });
  }
});
