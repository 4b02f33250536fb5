import { expect } from 'chai';
import { FIELD_MANAGER, LEGACY_FINALIZER } from '../../src/api/group.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { Controller } from '../../src/kube/controller.ts';
import type { CachedChild } from '../../src/manager/cached-objects.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { eventually } from '../support/eventually.ts';
import { json, status } from '../support/scripted-answers.ts';
import type { Answer } from '../support/scripted-apiserver.ts';
import { condition, pod } from './fixtures.ts';
import { complete, configMap, ReconcilerWorld, tunnel, withoutConnection } from './reconciler-world.ts';

const { signal } = new AbortController();
const invalid = { kind: 'Status', code: 422, reason: 'Invalid', message: 'no', details: { kind: 'X' } };

/** Online, with an agent that has gone. */
function abandoned(): CachedTunnel {
  const { observedGeneration: _, ...online } = condition('TunnelReady', 'True', 'TunnelOnline');
  return { ...tunnel(), status: { conditions: [online], agentPod: 'gone' } };
}

describe('TunnelReconciler', () => {
  let world: ReconcilerWorld;

  beforeEach(async () => {
    world = await ReconcilerWorld.start();
  });
  afterEach(async () => await world.server.stop());

  it('writes the status of a tunnel that is still there', async () => {
    world.server.otherwise('patch', json(200, tunnel()));
    await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(world.server.seen('patch').map(({ path }) => path.split('/').at(-1))).to.deep.equal(['status']);
  });

  it('writes nothing onto a tunnel made anew under the same name while it was at the old one', async () => {
    world.server.otherwise('patch', json(200, tunnel()));
    const reconciler = world.reconcilerOf([tunnel(), tunnel({ uid: 'another', resourceVersion: '9' })]);
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({});
    expect(world.server.seen('patch')).to.deep.equal([]);
  });

  it('writes nothing onto a tunnel made anew under the same name before the watch has told of it', async () => {
    const anew = tunnel({ uid: 'another', resourceVersion: '9' });
    world.server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, anew));
    const judged = await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(world.server.seen('patch').map(({ body }) => body)).to.have.nested.property(
      '[0].metadata.resourceVersion',
      '7',
    );
    expect(world.server.seen('patch')).to.have.length(1);
    expect(judged, 'judged again').to.deep.equal({ requeue: true });
    expect(world.seen.map(({ metadata }) => metadata.uid)).to.deep.equal(['another']);
    expect(world.told, 'Events about what nobody was told').to.deep.equal([]);
  });

  it('is judged ever more seldom while the API server knows only an older version, as after a restored backup', async () => {
    const older = tunnel({ resourceVersion: '3' });
    world.server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, older));
    const reconciler = world.reconcilerOf([tunnel()]);
    const reconcile = reconciler.reconcile.bind(reconciler);
    const { clock } = world;
    const controller = new Controller({ name: 'tunnel', reconcile, clock, log: silentLogger });
    controller.start();
    controller.enqueue('shop/web');
    await eventually('a minute is over', async () => {
      await world.clock.advance(100);
      return world.clock.now() >= 60_000;
    });
    await controller.stop();
    expect(world.server.seen('patch').length).to.be.within(3, 12);
  });

  describe('that shares a name', () => {
    const claim = (key: string) =>
      world.names.claim({ tunnel: key, engine: 'e:443', rstreamName: 'shared', statusName: undefined });
    /** What shop/web uses when it is complete. */
    const inUse = { engine: 'e.example.com:443', rstreamName: 'shop-web', statusName: undefined };

    beforeEach(() => {
      world.server.otherwise('patch', json(200, tunnel())).otherwise('get', status(404, 'NotFound'));
    });

    it('uses it on while something is missing, so that the end of that is no news', async () => {
      claim('shop/web');
      claim('shop/other');
      await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal);
      expect(claim('shop/web')).to.deep.equal([]);
      expect(claim('shop/third')).to.have.members(['shop/web', 'shop/other']);
    });

    it('is known by what its agent runs, to a process that has just begun', async () => {
      const reconciler = world.reconcilerOf([tunnel()]);
      world.cache.children('ConfigMap').written(configMap() as unknown as CachedChild);
      await reconciler.reconcile('shop/web', signal);
      expect(claim('shop/third')).to.deep.equal(['shop/web']);
      expect(claim('shop/web')).to.deep.equal([]);
    });

    it('is another one when it was made anew, and told again', async () => {
      const cached = [tunnel()];
      const reconciler = world.reconcilerOf(cached);
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
      const reconciler = world.reconcilerOf([{ ...tunnel(), spec: { target } }], { ...complete, grants: [] });
      world.cache.children('ConfigMap').written(configMap() as unknown as CachedChild);
      await reconciler.reconcile('shop/web', signal);
      expect(claim('shop/other')).to.deep.equal([]);
    });

    for (const [what, references] of Object.entries({ complete, withoutConnection })) {
      it(`uses it no more while it is suspended (${what})`, async () => {
        claim('shop/web');
        const suspended = { ...tunnel(), spec: { ...tunnel().spec, suspend: true } };
        await world.reconcilerOf([suspended], references).reconcile('shop/web', signal);
        expect(world.names.claim({ ...inUse, tunnel: 'shop/third' })).to.deep.equal([]);
        expect(claim('shop/other')).to.deep.equal([]);
        expect(claim('shop/web')).to.deep.equal(['shop/other']);
      });
    }
  });

  it('looks again after half a minute whether a foreign object of a name it needs has gone, and leaves it alone', async () => {
    const theirs = { namespace: 'shop', uid: 'theirs', resourceVersion: '1' };
    world.server.otherwise('patch', (response, request) => {
      const isStatus = request.path.endsWith('/web/status');
      (isStatus ? json(200, tunnel()) : status(409, 'Conflict'))(response, request);
    });
    world.server.otherwise('get', (response, request) => {
      const name = request.path.split('/').at(-1);
      json(200, { metadata: { ...theirs, name } })(response, request);
    });
    expect(await world.reconcilerOf([tunnel()], complete).reconcile('shop/web', signal)).to.deep.equal({
      requeueAfterMs: 30_000,
    });
    const changing = world.server.seen('patch').filter(({ body }) => {
      const { metadata } = body as { readonly metadata: { readonly resourceVersion?: string } };
      return metadata.resourceVersion !== '1';
    });
    expect(changing.map(({ path }) => path.split('/').slice(-2).join('/'))).to.deep.equal(['web/status']);
  });

  it('tells once that the API server refuses a takeover, and waits for the next change', async () => {
    world.server.otherwise('patch', (response, request) => {
      const isTakeover = request.query.get('fieldManager') === FIELD_MANAGER.takeover;
      json(isTakeover ? 422 : 200, isTakeover ? invalid : abandoned())(response, request);
    });
    const reconciler = world.reconcilerOf([abandoned()]);
    await reconciler.reconcile('shop/web', signal);
    await world.clock.advance(10_000);
    for (let round = 0; round < 3; round += 1)
      expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({ requeueAfterMs: undefined });
    expect(world.told.filter((reason) => reason === 'InvalidSpec')).to.have.length(1);
  });

  it('tells once what the API server refuses for status and takeover alike', async () => {
    world.server.otherwise('patch', json(422, invalid));
    const reconciler = world.reconcilerOf([abandoned()]);
    await reconciler.reconcile('shop/web', signal);
    await world.clock.advance(10_000);
    await reconciler.reconcile('shop/web', signal);
    expect(world.told).to.deep.equal(['InvalidSpec']);
  });

  it('looks again when the word of an agent that is away may be taken over, and anew when that met another', async () => {
    world.server.otherwise('patch', (response, request) => {
      const isTakeover = request.query.get('fieldManager') === FIELD_MANAGER.takeover;
      (isTakeover ? status(409, 'Conflict') : json(200, abandoned()))(response, request);
    });
    world.server.otherwise('get', json(200, abandoned()));
    const reconciler = world.reconcilerOf([abandoned()]);
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({ requeueAfterMs: 10_000 });
    await world.clock.advance(10_000);
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({ requeue: true });
  });

  it('looks again when an agent that crashed may have recovered', async () => {
    world.server.otherwise('patch', json(200, tunnel()));
    const startedAt = world.clock.date().getTime() - 10_000;
    world.pods = [pod('a', { ready: false, waiting: { restarts: 3, startedAt } })];
    const { requeueAfterMs } = await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(requeueAfterMs).to.equal(50_000);
  });

  it('looks again at a rollout that it keeps to itself', async () => {
    const { uid, name, namespace } = tunnel().metadata;
    const owners = { ownerReferences: [{ uid, controller: true }] };
    const labels = childLabels({ uid, name, namespace }, 'agent');
    const metadata = { name: childNames(name, uid).base, namespace, uid: 'd', labels, ...owners };
    const rolling = { replicas: 2, updatedReplicas: 1, availableReplicas: 1 };
    let version = 1;
    world.server.otherwise('patch', (response, request) => {
      version += 1;
      const of = { ...metadata, resourceVersion: `${version}`, generation: 2 };
      const isAgent = request.path.includes('/deployments/');
      const body = isAgent
        ? { metadata: of, spec: { replicas: 1 }, status: { ...rolling, observedGeneration: 2 } }
        : request.body;
      json(200, body)(response, request);
    });
    const cached = [abandoned()];
    world.pods = [pod('gone')];
    const reconciler = world.reconcilerOf(cached, complete);
    await reconciler.reconcile('shop/web', signal);
    const [first] = world.seen;
    const quiet = first?.status?.conditions?.filter(({ type }) => type !== 'Reconciling') ?? [];
    expect(first?.status?.conditions).to.have.length(quiet.length + 1);
    const live = cached[0]?.status ?? {};
    cached[0] = {
      ...tunnel(),
      status: { ...live, ...first?.status, conditions: [...(live.conditions ?? []), ...quiet] },
    };
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({ requeueAfterMs: 60_000 });
  });

  it('forgets a tunnel that is gone', async () => {
    const cached: (CachedTunnel | undefined)[] = [abandoned()];
    world.server.otherwise('patch', json(200, abandoned()));
    const reconciler = world.reconcilerOf(cached, complete);
    await reconciler.reconcile('shop/web', signal);
    expect([world.names.size, world.takeovers.size]).to.deep.equal([1, 1]);
    cached[0] = undefined;
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({});
    expect([world.names.size, world.takeovers.size]).to.deep.equal([0, 0]);
  });

  it('writes no status for a spec that changed meanwhile', async () => {
    world.server.otherwise('patch', json(200, tunnel()));
    const reconciler = world.reconcilerOf([tunnel(), tunnel({ generation: 3, resourceVersion: '9' })]);
    expect(await reconciler.reconcile('shop/web', signal)).to.deep.equal({});
    expect(world.server.seen('patch')).to.deep.equal([]);
  });

  it('leaves it to the watch to tell that the tunnel is gone', async () => {
    world.server.otherwise('patch', status(404, 'NotFound'));
    expect(await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal)).to.deep.equal({});
    world.server.otherwise('patch', status(409, 'Conflict')).otherwise('get', status(404, 'NotFound'));
    expect(await world.reconcilerOf([tunnel()]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(world.server.seen('patch')).to.have.length(2);
  });

  it('tells a change once, also when the answer to its write got lost', async () => {
    const cached = [tunnel()];
    const reconciler = world.reconcilerOf(cached);
    const arrived: Answer = (response, { body }) => {
      const { status: said } = body as { readonly status: NonNullable<CachedTunnel['status']> };
      cached[0] = { ...tunnel({ resourceVersion: '8' }), status: said };
      response.socket?.destroy();
    };
    world.server.script('patch', arrived, status(409, 'Conflict'));
    world.server.otherwise('get', (response, request) => json(200, cached[0])(response, request));
    await reconciler.reconcile('shop/web', signal);
    await reconciler.reconcile('shop/web', signal);
    await reconciler.reconcile('shop/web', signal);
    expect(world.told).to.deep.equal(['ConnectionMissing']);
    expect(world.server.seen('patch')).to.have.length(2);
  });

  it('does not ask again and again about a finalizer of a tunnel that is gone', async () => {
    world.server.otherwise('patch', status(404, 'NotFound'));
    const dying = tunnel({ finalizers: [LEGACY_FINALIZER], deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await world.reconcilerOf([dying]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(world.server.seen('patch')).to.have.length(1);
  });

  it('leaves a tunnel alone that is ending, whoever holds on to it', async () => {
    const dying = tunnel({ finalizers: ['example.com/held'], deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await world.reconcilerOf([dying]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(world.server.requests).to.deep.equal([]);
  });
});
