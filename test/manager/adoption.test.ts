import { expect } from 'chai';
import { LEGACY_FINALIZER } from '../../src/api/group.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { deployments } from '../../src/kube/well-known.ts';
import { adoptChild, adoptStatus, removeLegacyFinalizer } from '../../src/manager/adoption.ts';
import { tunnels } from '../../src/manager/watched-resources.ts';
import { json, object } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { UID } from './fixtures.ts';

const { signal } = new AbortController();
const ref = { namespace: 'default', name: 'web' };
const ownedBy = (uid: string) => ({ 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${uid}"}`]: {} } } });
const written = (manager: string, fieldsV1: object, more: object = {}) => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  fieldsV1,
  ...more,
});
const ofStatus = { subresource: 'status' };

describe('adopting what the Go operator wrote', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    server.otherwise('patch', json(200, object('web', 8)));
    client = server.client();
  });
  afterEach(async () => {
    await server.stop();
  });

  const live = (managedFields: readonly object[]) =>
    server.otherwise('get', json(200, object('web', 7, { managedFields })));
  /** Who is said to own what after the one patch that was sent; it tests the version it was judged at. */
  const moved = () => {
    const [patch, ...more] = server.seen('patch');
    expect(more).to.deep.equal([]);
    const [test, replace] = (patch?.body ?? []) as readonly { readonly value: unknown }[];
    expect(test).to.deep.equal({ op: 'test', path: '/metadata/resourceVersion', value: '7' });
    expect(replace).to.include({ op: 'replace', path: '/metadata/managedFields' });
    const entries = replace?.value as readonly { readonly manager: string; readonly operation: string }[];
    return entries.map(({ manager, operation }) => `${manager} ${operation}`);
  };

  it('takes of a child what its maker wrote, and leaves the rest to whoever wrote it', async () => {
    live([
      written('manager', ownedBy(UID)),
      written('kubectl-edit', { 'f:spec': { 'f:replicas': {} } }),
      written('kube-controller-manager', { 'f:status': {} }, ofStatus),
    ]);
    await adoptChild(client, deployments, ref, UID, signal);

    const others = ['kubectl-edit Update', 'kube-controller-manager Update'];
    expect(moved()).to.deep.equal([...others, 'rstream-operator Apply']);
  });

  it('takes nothing of a child that another tunnel owns', async () => {
    live([written('manager', ownedBy('another'))]);
    await adoptChild(client, deployments, ref, UID, signal);
    expect(server.seen('patch')).to.deep.equal([]);
  });

  it('takes of a status what its manager and agents wrote, and neither spec nor words of people', async () => {
    live([
      written('manager', { 'f:metadata': { 'f:finalizers': {} } }),
      written('manager', { 'f:status': { 'f:hostname': {} } }, ofStatus),
      written('rstream-agent', { 'f:status': { 'f:tunnelID': {} } }, ofStatus),
      written('kubectl-edit', { 'f:status': { 'f:target': {} } }, ofStatus),
    ]);
    await adoptStatus(client, tunnels, ref, signal);

    const others = ['manager Update', 'kubectl-edit Update'];
    expect(moved()).to.deep.equal([...others, 'rstream-operator Apply', 'rstream-agent Apply']);
  });

  it('removes its finalizer, and no other that took its place meanwhile', async () => {
    const dying = object('web', 7, { finalizers: ['example.com/other', LEGACY_FINALIZER] });
    await removeLegacyFinalizer(client, tunnels, dying, signal);

    expect(server.seen('patch').map(({ body }) => body)).to.deep.equal([
      [
        { op: 'test', path: '/metadata/finalizers/1', value: LEGACY_FINALIZER },
        { op: 'remove', path: '/metadata/finalizers/1' },
      ],
    ]);
  });
});
