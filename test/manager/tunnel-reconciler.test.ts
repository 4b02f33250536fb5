import { expect } from 'chai';
import { FIELD_MANAGER, LEGACY_FINALIZER } from '../../src/api/group.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { NameRegistry } from '../../src/manager/name-registry.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { TunnelMemories } from '../../src/manager/tunnel-memory.ts';
import { TunnelReconciler } from '../../src/manager/tunnel-reconciler.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, status } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { condition, tunnelOf } from './fixtures.ts';

const { signal } = new AbortController();

describe('TunnelReconciler', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let clock: ManualClock;
  /** What the cache was told was written. */
  let seen: CachedTunnel[];
  /** The reasons of Events. */
  let told: string[];

  beforeEach(async () => {
    [seen, told] = [[], []];
    clock = new ManualClock();
    server = await ScriptedApiserver.start();
    client = new KubeClient({ credentials: server.credentials, clock: systemClock, timeoutMs: 5000 });
  });
  afterEach(async () => {
    client.close();
    await server.stop();
  });

  function tunnel(metadata: object = {}): CachedTunnel {
    const made = tunnelOf();
    const owners = { foreign: [], updaters: [], applied: false };
    return { ...made, metadata: { ...made.metadata, resourceVersion: '7', ...metadata }, owners };
  }

  /** Its tunnels miss their connection; `cached` are the answers of the cache, the last one again and again. */
  function reconcilerOf(cached: CachedTunnel[]): TunnelReconciler {
    const cache = new ManagerCache({ client, clock, log: silentLogger, namespaces: [] });
    return new TunnelReconciler({
      client,
      clock,
      applier: new ChildApplier({ client, children: (kind) => cache.children(kind) }),
      names: new NameRegistry(),
      takeovers: new TakeoverWatch(),
      memories: new TunnelMemories(),
      policy: {
        crossNamespaceTargets: 'grant',
        allowExternalName: false,
        allowedAgentImages: [],
        watchNamespaces: [],
      },
      agentImage: 'agent:test',
      clusterId: 'c',
      tunnel: () => (cached.length > 1 ? cached.shift() : cached[0]),
      references: () => ({
        connectionExists: false,
        connection: undefined,
        service: undefined,
        grants: undefined,
      }),
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
    const { requeueAfterMs } = await reconcilerOf([tunnel()]).reconcile('shop/web', signal);
    expect(server.seen('patch').map(({ body }) => body)).to.have.nested.property(
      '[0].metadata.resourceVersion',
      '7',
    );
    expect(server.seen('patch')).to.have.length(1);
    expect(requeueAfterMs, 'judged again').to.be.a('number');
    expect(seen.map(({ metadata }) => metadata.uid)).to.deep.equal(['another']);
    expect(told, 'Events about what nobody was told').to.deep.equal([]);
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

  it('tells a change once, also when the answer to its write got lost', async () => {
    const cached = [tunnel()];
    const reconciler = reconcilerOf(cached);
    server.script('patch', (response, { body }) => {
      const { status: said } = body as { readonly status: NonNullable<CachedTunnel['status']> };
      cached[0] = { ...tunnel({ resourceVersion: '8' }), status: said };
      response.socket?.destroy();
    });
    const failed = await reconciler.reconcile('shop/web', signal).then(
      () => false,
      () => true,
    );
    expect(failed).to.equal(true);
    await reconciler.reconcile('shop/web', signal);
    await reconciler.reconcile('shop/web', signal);
    expect(told).to.deep.equal(['ConnectionMissing']);
    expect(server.seen('patch')).to.have.length(1);
  });

  it('does not ask again and again about a finalizer of a tunnel that is gone', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    const dying = tunnel({ finalizers: [LEGACY_FINALIZER], deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await reconcilerOf([dying]).reconcile('shop/web', signal)).to.deep.equal({});
    expect(server.seen('patch')).to.have.length(1);
  });
});
