// The manager put together, against an API server that says what a test tells it to: what its parts tell each other.

import { expect } from 'chai';
import { Registry } from 'prom-client';
import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import type { Condition } from '../../src/api/conditions.ts';
import { FIELD_MANAGER } from '../../src/api/group.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { parseFlags } from '../../src/manager/flags.ts';
import { Manager } from '../../src/manager/manager.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';
import { eventually } from '../support/eventually.ts';
import { bookmark, json, object, status, watch } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { EARLIER, UID } from './fixtures.ts';

const flags = parseFlags([
  ...['--agent-image', 'agent:test', '--allow-insecure-control-plane'],
  ...['--control-plane-allow-cidr', '127.0.0.0/8'],
]);
const grants = '/apis/gateway.networking.k8s.io/v1';
const engine = 'e.example.com:443';
const secretRef = { tokenSecretRef: { name: 's', key: 'k' } };

describe('Manager', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let manager: Manager;
  let stop: AbortController;
  let leading: Promise<void>;
  /** What there is, by the last part of the path it is listed at. */
  let there: Map<string, readonly object[]>;
  /** What a list of ReferenceGrants gets. */
  let granting: Answer;
  /** Milliseconds that the manager's clock is ahead. */
  let ahead: number;

  beforeEach(async () => {
    ahead = 0;
    there = new Map();
    stop = new AbortController();
    server = await ScriptedApiserver.start();
    const listed = (plural: string) =>
      json(200, { metadata: { resourceVersion: '9' }, items: there.get(plural) });
    granting = (response, request) => listed('referencegrants')(response, request);
    server.otherwise('watch', watch(bookmark(10))).otherwise('create', status(201, 'Created'));
    server.otherwise('list', (response, request) => {
      if (request.path === grants)
        return json(200, { resources: [{ name: 'referencegrants' }] })(response, request);
      const plural = request.path.split('/').at(-1) ?? '';
      return (plural === 'referencegrants' ? granting : listed(plural))(response, request);
    });
    server.otherwise('get', json(200, { ...object('s', 3), data: { k: btoa('token') } }));
    server.otherwise('patch', (response, request) => json(200, request.body)(response, request));

    const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead };
    client = server.client();
    const registry = new Registry();
    const metrics = new KubeMetrics(registry);
    manager = new Manager({ client, clock, log: silentLogger, registry, metrics, flags, identity: 'm' });
  });
  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await leading;
    await manager.stop();
    await server.stop();
  });

  async function lead(): Promise<void> {
    await manager.start(stop.signal);
    leading = manager.lead(client, 'cluster', stop.signal);
  }

  const own = (plural: string, name: string, more: object) => {
    const metadata = { generation: 1, uid: plural === 'rstreamtunnels' ? UID : 'c' };
    there.set(plural, [{ ...object(name, 5, metadata), ...more }]);
  };
  const direct = () => own('rstreamconnections', 'default', { spec: { engine, ...secretRef } });
  const app = (namespace: string) => {
    const spec = { ports: [{ port: 80, targetPort: 80 }] };
    there.set('services', [{ ...object('app', 4, { namespace }), spec }]);
  };

  /** The last condition of this type that was written for the object of this kind. */
  function written(plural: string, type: string): Condition | undefined {
    const statuses = server
      .seen('patch')
      .filter(({ path }) => path.includes(`/${plural}/`) && path.endsWith('/status'))
      .map(({ body }) => body as { readonly status: { readonly conditions: readonly Condition[] } });
    return statuses.at(-1)?.status.conditions.find((condition) => condition.type === type);
  }
  const becomes = async (plural: string, type: string, reason: string, message: string) =>
    await eventually(`${type} is ${reason}`, () => {
      const found = written(plural, type);
      if (found?.reason !== reason) throw new Error(`${type} is ${found?.reason}: ${found?.message}`);
      return found.message.includes(message);
    });

  it('begins with tunnels whose spec nobody has looked at yet', async () => {
    const spec = { target: { service: { name: 'app', port: 80 } } };
    const tunnel = (name: string, generation: number) => ({
      ...object(name, 5, { generation, uid: name }),
      spec,
      status: { observedGeneration: 1, conditions: [] },
    });
    const seen = Array.from({ length: 100 }, (_, index) => tunnel(`seen-${index}`, 1));
    there.set('rstreamtunnels', [...seen, tunnel('edited', 2)]);
    await lead();
    const told = () => server.seen('patch').map(({ path }) => path.split('/').at(-2));
    await eventually('every tunnel is told about', () => new Set(told()).size === 101);
    expect(told().indexOf('edited')).to.be.below(5);
  });

  describe('whose control plane gives no answer', () => {
    const { uid, name, namespace } = { uid: UID, name: 'web', namespace: 'default' };
    const configMap = (writer: string) => {
      const config = stringifyAgentConfig({ ...AGENT_PROPS.config, connection: { engine } });
      const metadata = {
        ...object(childNames(name, uid).config, 4, { uid: 'm' }).metadata,
        labels: childLabels({ uid, name, namespace }, 'config'),
        ownerReferences: [{ uid, controller: true }],
        managedFields: [
          { manager: writer, operation: 'Apply', fieldsV1: { 'f:data': { 'f:config.yaml': {} } } },
        ],
      };
      return { metadata, data: { 'config.yaml': config } };
    };

    for (const [what, writer, reason] of [
      [
        'keeps the engine that status and its own ConfigMap agree on',
        FIELD_MANAGER.manager,
        'ResolutionStale',
      ],
      ['takes no engine from a ConfigMap that somebody else wrote', 'kubectl', 'ControlPlaneUnavailable'],
    ] as const) {
      it(what, async () => {
        const spec = { apiURL: 'http://127.0.0.1:1', projectEndpoint: 'p1', ...secretRef };
        const ready = { type: 'Ready', status: 'True', reason: 'Ready', message: 'm', observedGeneration: 1 };
        const conditions = [{ ...ready, lastTransitionTime: EARLIER }];
        own('rstreamconnections', 'default', { spec, status: { engine, conditions } });
        own('rstreamtunnels', name, { spec: { target: { service: { name: 'app', port: 80 } } } });
        there.set('configmaps', [configMap(writer)]);
        await lead();
        await becomes('rstreamconnections', 'Ready', reason, '');
      });
    }
  });

  describe('of a tunnel to a Service in another namespace', () => {
    beforeEach(() => {
      direct();
      app('other');
      const target = { service: { name: 'app', port: 80, namespace: 'other' } };
      own('rstreamtunnels', 'web', { spec: { target } });
      const from = [{ group: 'tunnels.rstream.io', kind: 'RstreamTunnel', namespace: 'default' }];
      const grant = object('grant', 4, { namespace: 'other' });
      there.set('referencegrants', [{ ...grant, spec: { from, to: [{ group: '', kind: 'Service' }] } }]);
    });

    it('says which right is missing, and goes on when it is there', async () => {
      const open = granting;
      granting = status(403, 'Forbidden');
      await lead();
      await becomes('rstreamtunnels', 'Resolved', 'RefNotPermitted', 'the operator may not list');
      granting = open;
      await becomes('rstreamtunnels', 'Resolved', 'Resolved', 'app.other.svc:80');
    });

    it('says what else has kept it for long from knowing, and goes on when it knows', async () => {
      const open = granting;
      granting = status(500, 'InternalError', { message: 'the webhook is broken' });
      await lead();
      await eventually('it has tried', () =>
        server.requests.some(({ path }) => path.endsWith('/referencegrants')),
      );
      expect(written('rstreamtunnels', 'Resolved')).to.equal(undefined);
      ahead = 20_000;
      await becomes('rstreamtunnels', 'Resolved', 'RefNotPermitted', 'keeps asking: the webhook is broken');
      granting = open;
      await becomes('rstreamtunnels', 'Resolved', 'Resolved', 'app.other.svc:80');
    });
  });
});
