import { expect } from 'chai';
import { Registry } from 'prom-client';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { Informer, type InformerOptions } from '../../src/kube/informer.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { metadataOf, type Resource } from '../../src/kube/resource.ts';
import { type ConfigMap, configMaps, secrets } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient } from '../support/kube-client.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

describe('Informer on a real API server', () => {
  let server: KubeApiserver;
  let client: KubeClient;
  let namespace: string;
  const running: { stop(): Promise<void> }[] = [];
  const us = { fieldManager: 'us' };

  const follow = async <T extends KubeObject>(
    resource: Resource<T>,
    options: Partial<InformerOptions<T>> = {},
    via: KubeClient = client,
  ) => {
    const informer = new Informer<T>({
      client: via,
      resource,
      clock: systemClock,
      log: silentLogger,
      ...options,
    });
    running.push(informer);
    const changes: string[] = [];
    informer.subscribe({
      onAdd: ({ metadata }) => changes.push(`+${metadata.name}`),
      onUpdate: ({ metadata }) => changes.push(`~${metadata.name}`),
      onDelete: ({ metadata }) => changes.push(`-${metadata.name}`),
    });
    informer.start();
    await informer.synced(AbortSignal.timeout(30_000));
    return { informer, changes };
  };
  const make = async (name: string, data: Record<string, string> = {}, where = namespace) =>
    await client.apply(
      configMaps,
      { metadata: { name, namespace: where, labels: { app: 'test' } }, data },
      us,
    );

  before(async function () {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    client = adminClient(server);
  });

  beforeEach(async () => {
    namespace = await server.createNamespace();
  });

  afterEach(async () => {
    for (const informer of running.splice(0)) await informer.stop();
  });

  after(() => client?.close());

  it('lists in pages, then follows every change', async () => {
    for (const name of ['a', 'b', 'c']) await make(name);
    const { informer, changes } = await follow(configMaps, { namespaces: [namespace], pageSize: 1 });
    expect(changes).to.deep.equal(['+a', '+b', '+c']);

    await make('d');
    await make('a', { key: 'value' });
    await client.delete(configMaps, { namespace, name: 'b' });
    await eventually('all changes arrived', () => changes.length >= 6);
    expect(changes.slice(3)).to.deep.equal(['+d', '~a', '-b']);
    expect(informer.get({ namespace, name: 'a' })?.data).to.deep.equal({ key: 'value' });
    expect(informer.get({ namespace, name: 'a' })?.metadata.managedFields).to.equal(undefined);
  });

  it('sees only what its selectors name', async () => {
    await client.create(configMaps, { metadata: { name: 'other', namespace } }, us);
    await make('ours');
    const { informer } = await follow(configMaps, { namespaces: [namespace], labelSelector: 'app=test' });
    expect(informer.list().map((one) => one.metadata.name)).to.deep.equal(['ours']);

    await client.mergePatch(
      configMaps,
      { namespace, name: 'ours' },
      { metadata: { labels: { app: null } } },
      us,
    );
    await eventually('an object that no longer matches is gone', () => informer.size === 0);
  });

  it('merges several namespaces', async () => {
    const second = await server.createNamespace();
    const third = await server.createNamespace();
    await make('a');
    await make('b', {}, second);
    await make('c', {}, third);
    const { informer } = await follow(configMaps, { namespaces: [namespace, second] });
    expect(informer.list().map((one) => one.metadata.name)).to.have.members(['a', 'b']);
    await make('d', {}, second);
    await eventually('the new one is there', () => informer.get({ namespace: second, name: 'd' }));
    expect(informer.list(second)).to.have.length(2);
  });

  it('never holds a Secret value when it watches metadata', async () => {
    const { informer, changes } = await follow(metadataOf(secrets), { namespaces: [namespace] });
    expect(informer.size).to.equal(0);
    await client.create(secrets, { metadata: { name: 's', namespace }, data: { token: 'c2VjcmV0' } }, us);
    await client.mergePatch(secrets, { namespace, name: 's' }, { data: { token: 'b3RoZXI=' } }, us);
    await eventually('both changes arrived', () => changes.length === 2);
    expect(JSON.stringify(informer.list())).not.to.match(/c2VjcmV0|b3RoZXI=/);
  });

  it('keeps only what a transform leaves, and finds it by index', async () => {
    await make('a', { owner: 'x', bulk: 'y'.repeat(1000) });
    await make('b', { owner: 'x' });
    const { informer } = await follow<ConfigMap>(configMaps, {
      namespaces: [namespace],
      transform: ({ metadata: { name, uid, resourceVersion }, data }) => ({
        metadata: { name, namespace, uid, resourceVersion },
        data: { owner: data?.owner ?? '' },
      }),
      indexes: { owner: (one) => [one.data?.owner ?? ''] },
    });
    expect(informer.byIndex('owner', 'x').map((one) => one.metadata.name)).to.deep.equal(['a', 'b']);
    expect(JSON.stringify(informer.list())).not.to.contain('yyy');
  });

  it('knows an answer to a write at once, and its watch event changes nothing more', async () => {
    const { informer, changes } = await follow(configMaps, { namespaces: [namespace] });
    informer.written(await make('a'));
    expect(changes).to.deep.equal(['+a']);
    informer.written(await make('a', { key: '1' }));
    await make('b');
    await eventually('the watch has caught up', () => changes.includes('+b'));
    expect(changes).to.deep.equal(['+a', '~a', '+b']);
  });

  it('loses nothing when the API server is killed and comes back without the versions we know', async function () {
    this.timeout(180_000);
    const own = await KubeApiserver.start();
    const admin = adminClient(own, { timeoutMs: 5000 });
    try {
      const where = await own.createNamespace();
      const create = async (name: string) =>
        await admin.create(configMaps, { metadata: { name, namespace: where } }, us);
      await create('before');
      const registry = new Registry();
      const options = { namespaces: [where], maxBackoffMs: 500, metrics: new KubeMetrics(registry) };
      const { informer, changes } = await follow(configMaps, options, admin);
      await own.stopApiserver();
      await eventually('the informer has noticed', () => informer.failure);
      await own.compactEtcd();
      await own.startApiserver();
      await create('after');
      await admin.delete(configMaps, { namespace: where, name: 'before' });

      await eventually('both changes arrived', () => changes.length === 3, { timeoutMs: 60_000 });
      expect(changes).to.have.members(['+before', '+after', '-before']);
      expect(informer.failure).to.equal(undefined);
      expect(await registry.metrics()).to.match(
        /reflector_watch_restarts_total\{[^}]*reason="expired"\} [1-9]/,
      );
      await informer.stop();
    } finally {
      admin.close();
      await own.stop();
    }
  });
});
