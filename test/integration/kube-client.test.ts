import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { ApiError, isAlreadyExists, isConflict, isInvalid } from '../../src/kube/errors.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { metadataOf, resource } from '../../src/kube/resource.ts';
import { configMaps, deployments, namespaces, secrets, serviceAccounts } from '../../src/kube/well-known.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient, adminCredentials } from '../support/kube-client.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

describe('KubeClient on a real API server', () => {
  let server: KubeApiserver;
  let client: KubeClient;
  let namespace: string;
  const us = { fieldManager: 'us' };
  const failureOf = async (work: Promise<unknown>) =>
    await work.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    );

  before(async function () {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    client = adminClient(server);
  });

  beforeEach(async () => {
    namespace = await server.createNamespace();
  });

  after(() => client?.close());

  it('applies what it owns and leaves the fields of others alone', async () => {
    const metadata = { name: 'a', namespace };
    await client.apply(configMaps, { metadata, data: { ours: '1', dropped: '1' } }, us);
    await client.apply(configMaps, { metadata, data: { theirs: '2' } }, { fieldManager: 'them' });
    const applied = await client.apply(configMaps, { metadata, data: { ours: '3' } }, us);

    expect(applied.data).to.deep.equal({ ours: '3', theirs: '2' });
    expect(applied.metadata.managedFields?.map((entry) => entry.manager)).to.have.members(['us', 'them']);
  });

  it('changes nothing with an apply that says the same again', async () => {
    const object = { metadata: { name: 'a', namespace }, data: { key: 'value' } };
    const first = await client.apply(configMaps, object, us);
    const second = await client.apply(configMaps, object, us);
    expect(second.metadata.resourceVersion).to.equal(first.metadata.resourceVersion);
  });

  it('takes a field over by force, and is refused without', async () => {
    const metadata = { name: 'a', namespace };
    await client.apply(configMaps, { metadata, data: { key: 'theirs' } }, { fieldManager: 'them' });
    const refused = await failureOf(
      client.apply(configMaps, { metadata, data: { key: 'ours' } }, { ...us, force: false }),
    );
    expect(refused).to.satisfy(isConflict);
    expect((refused as ApiError).details?.causes?.[0]).to.deep.include({
      reason: 'FieldManagerConflict',
      field: '.data.key',
    });
    expect((await client.apply(configMaps, { metadata, data: { key: 'ours' } }, us)).data?.key).to.equal(
      'ours',
    );
  });

  it('is refused fields that the schema does not know', async () => {
    const wrong = { metadata: { name: 'a', namespace }, dataa: {} };
    const failure = await failureOf(client.apply(configMaps, wrong, us));
    expect(failure).to.be.instanceOf(ApiError).and.to.have.property('message').that.contains('dataa');
  });

  it('tells invalid objects, conflicts and existing ones apart', async () => {
    const metadata = { name: 'a', namespace };
    const bad = {
      metadata,
      spec: { replicas: -1, selector: {}, template: { metadata: {}, spec: { containers: [] } } },
    };
    expect(await failureOf(client.apply(deployments, bad, us))).to.satisfy(isInvalid);
    const made = await client.create(configMaps, { metadata }, us);
    expect(await failureOf(client.create(configMaps, { metadata }, us))).to.satisfy(isAlreadyExists);
    await client.mergePatch(configMaps, metadata, { data: { key: '1' } }, us);
    const stale = {
      metadata: { ...metadata, resourceVersion: made.metadata.resourceVersion },
      data: { key: '2' },
    };
    expect(await failureOf(client.apply(configMaps, stale, us))).to.satisfy(isConflict);
    const lock = { metadata: { resourceVersion: made.metadata.resourceVersion } };
    expect(await failureOf(client.mergePatch(configMaps, metadata, lock, us))).to.satisfy(isConflict);
  });

  it('patches under a test, and nothing when the test fails', async () => {
    const ref = { name: 'a', namespace };
    const made = await client.create(configMaps, { metadata: ref, data: { key: '1' } }, us);
    const path = '/metadata/resourceVersion';
    const replace = { op: 'replace', path: '/data/key', value: '2' } as const;
    const wrong = await failureOf(
      client.jsonPatch(configMaps, ref, [{ op: 'test', path, value: '1' }, replace], us),
    );
    expect(wrong).to.satisfy(isInvalid);
    const test = { op: 'test', path, value: made.metadata.resourceVersion } as const;
    expect((await client.jsonPatch(configMaps, ref, [test, replace], us)).data).to.deep.equal({ key: '2' });
  });

  it('deletes one very object, or nothing', async () => {
    const ref = { name: 'a', namespace };
    const { metadata } = await client.create(configMaps, { metadata: ref }, us);
    expect(await failureOf(client.delete(configMaps, ref, { uid: 'another' }))).to.satisfy(isConflict);
    expect(await client.delete(configMaps, ref, { uid: metadata.uid })).to.equal(true);
    expect(await client.delete(configMaps, ref)).to.equal(false);
    expect(await client.get(configMaps, ref)).to.equal(undefined);
  });

  it('reads Secrets without their values', async () => {
    await client.create(secrets, { metadata: { name: 's', namespace }, data: { token: 'c2VjcmV0' } }, us);
    const { items } = await client.list(metadataOf(secrets), { namespace });
    expect(items.map((item) => item.metadata.name)).to.deep.equal(['s']);
    expect(JSON.stringify(items)).not.to.contain('c2VjcmV0');
    const empty = await server.createNamespace();
    expect((await client.list(metadataOf(secrets), { namespace: empty })).items).to.deep.equal([]);
    expect((await client.get(secrets, { namespace, name: 's' }))?.data).to.deep.equal({ token: 'c2VjcmV0' });
  });

  it('lists page by page what fits no page', async () => {
    const names = Array.from({ length: 23 }, (_, index) => `c-${index}`);
    await Promise.all(names.map((name) => client.create(configMaps, { metadata: { name, namespace } }, us)));
    const { items, resourceVersion } = await client.list(configMaps, { namespace, limit: 5 });
    expect(items.map((item) => item.metadata.name)).to.have.members(names);
    expect(items[0]).to.include({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(Number(resourceVersion)).to.be.greaterThan(0);
    const one = await client.list(configMaps, { namespace, fieldSelector: 'metadata.name=c-7' });
    expect(one.items).to.have.length(1);
  });

  it('watches from a version', async () => {
    const { resourceVersion } = await client.list(configMaps, { namespace });
    await client.create(configMaps, { metadata: { name: 'a', namespace } }, us);
    await client.delete(configMaps, { name: 'a', namespace });
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const event of client.watch(configMaps, {
      namespace,
      resourceVersion,
      silenceMs: 60_000,
      signal: stop.signal,
    })) {
      seen.push(event.type);
      if (event.type === 'DELETED') break;
    }
    expect(seen).to.deep.equal(['ADDED', 'DELETED']);
  });

  it('works with a kubeconfig file', async () => {
    const credentials = kubeconfigCredentials({ file: server.kubeconfig, clock: systemClock });
    const other = new KubeClient({ credentials, clock: systemClock });
    expect((await other.get(namespaces, { name: namespace }))?.metadata.name).to.equal(namespace);
    other.close();
  });

  it('is a service account when it has the token of one', async () => {
    await client.create(serviceAccounts, { metadata: { name: 'agent', namespace } }, us);
    const token = (await server.kubectl(['create', 'token', 'agent', '-n', namespace])).trim();
    const credentials = { ...adminCredentials(server), authorization: async () => `Bearer ${token}` };
    const agent = new KubeClient({ credentials, clock: systemClock });
    const denied = await failureOf(agent.list(configMaps, { namespace }));
    expect(denied).to.include({ status: 403, reason: 'Forbidden' });
    expect(denied).to.have.property('message').that.contains(`system:serviceaccount:${namespace}:agent`);
    agent.close();
  });

  it('says what to install when there is no such resource', async () => {
    const unknown = resource<KubeObject>({
      group: 'no.example.com',
      version: 'v1',
      plural: 'things',
      kind: 'Thing',
      namespaced: true,
    });
    const missing = await failureOf(client.list(unknown));
    expect(missing).to.include({ status: 404 });
    expect(missing).to.have.property('message').that.contains('install its CustomResourceDefinition');
  });
});
