import { expect } from 'chai';
import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { API_GROUP_VERSION, FIELD_MANAGER, LEGACY_FINALIZER, TUNNEL_KIND } from '../../src/api/group.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { Controller } from '../../src/kube/controller.ts';
import type { CachedChild } from '../../src/manager/cached-objects.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { NameRegistry } from '../../src/manager/name-registry.ts';
import type { TunnelReferences } from '../../src/manager/resolve-tunnel.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { TunnelMemories } from '../../src/manager/tunnel-memory.ts';
import { TunnelReconciler } from '../../src/manager/tunnel-reconciler.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, status } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { condition, DEFAULT_POLICY, tunnelOf } from './fixtures.ts';

const { signal } = new AbortController();

const withoutConnection: TunnelReferences = {
  connectionExists: false,
  connection: undefined,
  service: undefined,
  grants: undefined,
};
const complete: TunnelReferences = {
  ...withoutConnection,
  connectionExists: true,
  connection: {
    ready: {
      spec: { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } },
      engine: 'e.example.com:443',
      secretsDigest: 'd',
    },
  },
  service: {
    metadata: { name: 'app', namespace: 'shop', uid: 'u', resourceVersion: '1' },
    headless: false,
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  },
};

describe('TunnelReconciler', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let clock: ManualClock;
  let cache: ManagerCache;
  let names: NameRegistry;
  /** What the cache was told was written. */
  let seen: CachedTunnel[];
  /** The reasons of Events. */
  let told: string[];

  beforeEach(async () => {
    [seen, told] = [[], []];
    clock = new ManualClock();
    names = new NameRegistry();
    server = await ScriptedApiserver.start();
    client = server.client();
    cache = new ManagerCache({ client, clock, log: silentLogger, namespaces: [] });
  });
  afterEach(async () => {
    await server.stop();
  });

  function tunnel(metadata: object = {}): CachedTunnel {
    const made = tunnelOf();
    const owners = { foreign: [], updaters: [], applied: false };
    return { ...made, metadata: { ...made.metadata, resourceVersion: '7', ...metadata }, owners };
  }

  /** As the manager wrote it. */
  function configMap(): object {
    const config = stringifyAgentConfig({
      connection: { engine: 'e:443' },
      tunnel: { name: 'shared' },
      target: { host: 'app.shop.svc', port: '80' },
    });
    const { uid, name, namespace } = tunnel().metadata;
    const owner = { apiVersion: API_GROUP_VERSION, kind: TUNNEL_KIND, name, uid, controller: true };
    const labels = childLabels({ uid, name, namespace }, 'config');
    const ours = { manager: FIELD_MANAGER.manager, operation: 'Apply', fieldsV1: { 'f:data': {} } };
    const metadata = {
      ...{ namespace, name: childNames(name, uid).config, uid: 'c', resourceVersion: '5' },
      ...{ labels, ownerReferences: [owner], managedFields: [ours] },
    };
    return { metadata, data: { 'config.yaml': config } };
  }

  /** `cached` are the answers of the cache, the last one again and again. */
  function reconcilerOf(
    cached: CachedTunnel[],
    references: TunnelReferences = withoutConnection,
  ): TunnelReconciler {
    return new TunnelReconciler({
      client,
      clock,
      applier: new ChildApplier({ client, children: (kind) => cache.children(kind) }),
      names,
      takeovers: new TakeoverWatch(),
      memories: new TunnelMemories(),
      policy: DEFAULT_POLICY,
      agentImage: 'agent:test',
      clusterId: 'c',
      tunnel: () => (cached.length > 1 ? cached.shift() : cached[0]),
      references: () => references,
      pods: () => [],
      written: (written) => seen.push(written),
      emit: (_about, { reason }) => told.push(reason),
    });
  }

  it('writes the status of a tunnel that is still there', async () => {
    server.otherwise('patch', json(200, tunnel()));
    await reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(server.seen('patch').map(({ path }) => path.split('/').at(-1))).to.deep.equal(['status']);
  });

  it('writes nothing onto a tunnel made anew under the same name while it was at the old one', async () => {
    server.otherwise('patch', json(200, tunnel()));
    const reconciler = reconcilerOf([tunnel(), tunnel({ uid: 'another', resourceVersion: '9' })]);
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({});
    expect(server.seen('patch')).to.deep.equal([]);
  });

  it('writes nothing onto a tunnel made anew under the same name before the watch has told of it', async () => {
    const anew = tunnel({ uid: 'another', resourceVersion: '9' });
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, anew));
    const judged = await reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(server.seen('patch').map(({ body }) => body)).to.have.nested.property(
      '[0].metadata.resourceVersion',
      '7',
    );
    expect(server.seen('patch')).to.have.length(1);
    expect(judged, 'judged again').to.deep.equal({ requeue: true });
    expect(seen.map(({ metadata }) => metadata.uid)).to.deep.equal(['another']);
    expect(told, 'Events about what nobody was told').to.deep.equal([]);
  });

  it('is judged ever more seldom while the API server knows only an older version, as after a restored backup', async () => {
    const older = tunnel({ resourceVersion: '3' });
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, older));
    const reconciler = reconcilerOf([tunnel()]);
    const reconcile = reconciler.reconcile.bind(reconciler);
    const controller = new Controller({ name: 'tunnel', reconcile, clock, log: silentLogger });
    controller.start();
    controller.enqueue('shop/web');
    await eventually('a minute is over', async () => {
      await clock.advance(100);
      return clock.now() >= 60_000;
    });
    await controller.stop();
    expect(server.seen('patch').length).to.be.within(3, 12);
  });

  describe('that shares a name', () => {
    const claim = (key: string) =>
      names.claim({ tunnel: key, engine: 'e:443', rstreamName: 'shared', statusName: undefined });
    /** What shop/web uses when it is complete. */
    const inUse = { engine: 'e.example.com:443', rstreamName: 'shop-web', statusName: undefined };

    beforeEach(() => {
      server.otherwise('patch', json(200, tunnel())).otherwise('get', status(404, 'NotFound'));
    });

    it('uses it on while something is missing, so that the end of that is no news', async () => {
      claim('shop/web');
      claim('shop/other');
      await reconcilerOf([tunnel()]).reconcile('shop/web', signal);
      expect(claim('shop/web')).to.deep.equal([]);
      expect(claim('shop/third')).to.have.members(['shop/web', 'shop/other']);
    });

    it('is known by what its agent runs, to a process that has just begun', async () => {
      const reconciler = reconcilerOf([tunnel()]);
      cache.children('ConfigMap').written(configMap() as unknown as CachedChild);
      await reconciler.reconcile('shop/web', signal);
      expect(claim('shop/third')).to.deep.equal(['shop/web']);
      expect(claim('shop/web')).to.deep.equal([]);
    });

    it('is another one when it was made anew, and told again', async () => {
      const cached = [tunnel()];
      const reconciler = reconcilerOf(cached);
      claim('shop/other');
      await reconciler.reconcile('shop/web', signal);
      claim('shop/web');
      cached[0] = tunnel({ uid: 'another', resourceVersion: '9' });
      await reconciler.reconcile('shop/web', signal);
      expect(claim('shop/web')).to.deep.equal(['shop/other']);
    });

    it('uses it no more while no agent may run, whatever its ConfigMap still says', async () => {
      claim('shop/web');
      const target = { service: { name: 'app', port: 80, namespace: 'other' } };
      const reconciler = reconcilerOf([{ ...tunnel(), spec: { target } }], { ...complete, grants: [] });
      cache.children('ConfigMap').written(configMap() as unknown as CachedChild);
      await reconciler.reconcile('shop/web', signal);
      expect(claim('shop/other')).to.deep.equal([]);
    });

    for (const [what, references] of Object.entries({ complete, withoutConnection })) {
      it(`uses it no more while it is suspended (${what})`, async () => {
        claim('shop/web');
        const suspended = { ...tunnel(), spec: { ...tunnel().spec, suspend: true } };
        await reconcilerOf([suspended], references).reconcile('shop/web', signal);
        expect(claim('shop/other')).to.deep.equal([]);
        expect(claim('shop/web')).to.deep.equal(['shop/other']);
        expect(names.claim({ ...inUse, tunnel: 'shop/third' })).to.deep.equal([]);
      });
    }
  });

  it('looks again after half a minute whether a foreign object of a name it needs has gone, and leaves it alone', async () => {
    const theirs = { namespace: 'shop', uid: 'theirs', resourceVersion: '1' };
    server.otherwise('patch', (response, request) => {
      const isStatus = request.path.endsWith('/web/status');
      (isStatus ? json(200, tunnel()) : status(409, 'Conflict'))(response, request);
    });
    server.otherwise('get', (response, request) => {
      const name = request.path.split('/').at(-1);
      json(200, { metadata: { ...theirs, name } })(response, request);
    });
    expect(await reconcilerOf([tunnel()], complete).reconcile('shop/web', signal)).to.deep.equal({
      requeueAfterMs: 30_000,
    });
    const changing = server.seen('patch').filter(({ body }) => {
      const { metadata } = body as { readonly metadata: { readonly resourceVersion?: string } };
      return metadata.resourceVersion !== '1';
    });
    expect(changing.map(({ path }) => path.split('/').slice(-2).join('/'))).to.deep.equal(['web/status']);
  });

  describe('whose ConfigMap is not in the cache', () => {
    const knowing = (target?: string) => [{ ...tunnel(), status: { ...(target && { target }) } }];
    const asked = () => server.requests.filter(({ path }) => path.includes('/configmaps/'));
    const { labels, ...unlabelled } = (configMap() as { metadata: { labels: object } }).metadata;

    beforeEach(() => {
      server.otherwise('patch', (response, request) => {
        json(200, request.path.includes('/configmaps/') ? configMap() : tunnel())(response, request);
      });
      server.otherwise('get', json(200, { ...configMap(), metadata: unlabelled }));
    });

    it('looks for it when its status tells of one, and labels it again: its hostname is in there', async () => {
      const reconciler = reconcilerOf(knowing('app.shop.svc:80'));
      await reconciler.reconcile('shop/web', signal);
      expect(asked().map(({ method }) => method)).to.deep.equal(['GET', 'PATCH']);
      expect(asked()[1]?.body).to.deep.equal({ metadata: { uid: 'c', labels } });
      await reconciler.reconcile('shop/web', signal);
      expect(asked()).to.have.length(2);
    });

    it('leaves alone one of that name that belongs to another', async () => {
      const owner = { uid: 'another', controller: true };
      server.otherwise('get', json(200, { metadata: { ...unlabelled, ownerReferences: [owner] } }));
      await reconcilerOf(knowing('app.shop.svc:80')).reconcile('shop/web', signal);
      expect(asked().map(({ method }) => method)).to.deep.equal(['GET']);
    });

    it('does not look for it when there never was one', async () => {
      await reconcilerOf(knowing()).reconcile('shop/web', signal);
      expect(asked()).to.deep.equal([]);
    });
  });

  describe('whose PodDisruptionBudget is not in the cache while no agent is applied', () => {
    const { uid, name, namespace } = tunnelOf().metadata;
    const { base } = childNames(name, uid);
    const labels = childLabels({ uid, name, namespace }, 'agent');
    const running = (replicas: number, spec: object = {}) => {
      const made = tunnel();
      const status = { target: 'app.shop.svc:80', agentDeployment: base };
      return [{ ...made, spec: { ...made.spec, agent: { replicas }, ...spec }, status }];
    };
    const seen = () =>
      server.requests
        .filter(({ path }) => path.includes('/poddisruptionbudgets/'))
        .map(({ method, body }) => ({ method, body }));

    beforeEach(() => {
      const owner = { uid, controller: true };
      const metadata = { name: base, namespace, uid: 'b', resourceVersion: '3', ownerReferences: [owner] };
      const found = (given: object): Answer => {
        return (response, request) => {
          const isBudget = request.path.includes('/poddisruptionbudgets/');
          const isTunnel = request.path.includes('/rstreamtunnels/');
          const body = isBudget ? { metadata: { ...metadata, ...given } } : tunnel();
          json(isBudget || isTunnel ? 200 : 404, body)(response, request);
        };
      };
      server.otherwise('get', found({})).otherwise('patch', found({ labels, resourceVersion: '4' }));
      server.otherwise('delete', status(200, 'Success'));
    });

    it('gives it its label back, so that it can be found when it has to go', async () => {
      const reconciler = reconcilerOf(running(2));
      await reconciler.reconcile('shop/web', signal);
      await reconciler.reconcile('shop/web', signal);
      expect(seen()).to.deep.equal([
        { method: 'GET', body: undefined },
        { method: 'PATCH', body: { metadata: { uid: 'b', labels } } },
      ]);
    });

    it('deletes it with the agents', async () => {
      await reconcilerOf(running(2, { suspend: true })).reconcile('shop/web', signal);
      expect(seen().map(({ method }) => method)).to.deep.equal(['GET', 'PATCH', 'DELETE']);
    });

    it('does not look for one where there is one agent', async () => {
      await reconcilerOf(running(1)).reconcile('shop/web', signal);
      expect(seen()).to.deep.equal([]);
    });
  });

  it('tells once that the API server refuses a takeover, and waits for the next change', async () => {
    const { observedGeneration: _, ...online } = condition('TunnelReady', 'True', 'TunnelOnline');
    const message = 'status is too old';
    server.otherwise('patch', (response, request) => {
      const isTakeover = request.query.get('fieldManager') === FIELD_MANAGER.takeover;
      const invalid = { kind: 'Status', code: 422, reason: 'Invalid', message, details: { kind: 'X' } };
      json(isTakeover ? 422 : 200, isTakeover ? invalid : cached[0])(response, request);
    });
    const cached = [{ ...tunnel(), status: { conditions: [online], agentPod: 'gone' } }];
    const reconciler = reconcilerOf(cached);
    await reconciler.reconcile('shop/web', signal);
    await clock.advance(10_000);
    for (let round = 0; round < 3; round += 1)
      expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({ requeueAfterMs: undefined });
    expect(told.filter((reason) => reason === 'InvalidSpec')).to.have.length(1);
  });

  it('leaves it to the watch to tell that the tunnel is gone', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    expect(await reconcilerOf([tunnel()]).reconcile('shop/web', signal)).to.deep.equal({});
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', status(404, 'NotFound'));
    expect(await reconcilerOf([tunnel()]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(server.seen('patch')).to.have.length(2);
  });

  it('tells a change once, also when the answer to its write got lost', async () => {
    const cached = [tunnel()];
    const reconciler = reconcilerOf(cached);
    const arrived: Answer = (response, { body }) => {
      const { status: said } = body as { readonly status: NonNullable<CachedTunnel['status']> };
      cached[0] = { ...tunnel({ resourceVersion: '8' }), status: said };
      response.socket?.destroy();
    };
    server.script('patch', arrived, status(409, 'Conflict'));
    server.otherwise('get', (response, request) => json(200, cached[0])(response, request));
    await reconciler.reconcile('shop/web', signal);
    await reconciler.reconcile('shop/web', signal);
    await reconciler.reconcile('shop/web', signal);
    expect(told).to.deep.equal(['ConnectionMissing']);
    expect(server.seen('patch')).to.have.length(2);
  });

  it('does not ask again and again about a finalizer of a tunnel that is gone', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    const dying = tunnel({ finalizers: [LEGACY_FINALIZER], deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await reconcilerOf([dying]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(server.seen('patch')).to.have.length(1);
  });

  it('leaves a tunnel alone that is ending, whoever holds on to it', async () => {
    const dying = tunnel({ finalizers: ['example.com/held'], deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await reconcilerOf([dying]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(server.requests).to.deep.equal([]);
  });
});
