// Puts what rstream's Go operator left of a tunnel onto an API server, field owners included.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { LEGACY_FINALIZER } from '../../src/api/group.ts';
import { childBase, type TunnelIdentity } from '../../src/api/names.ts';
import type { ManagedFieldsEntry } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { configMaps, deployments, roleBindings, roles, serviceAccounts } from '../../src/kube/well-known.ts';
import type { ManagerHarness } from './manager-harness.ts';
import { connectionResource, type Loose, tunnelResource } from './rstream-resources.ts';

/** The field manager that the Go operator's manager writes under. */
export const GO_MANAGER = 'manager';

const recorded = readFileSync(new URL('go-operator/objects.yaml', import.meta.url), 'utf8');
const children: ReadonlyMap<string, Resource> = new Map(
  [configMaps, serviceAccounts, roles, roleBindings, deployments].map((resource) => [
    resource.kind,
    resource,
  ]),
);
const own: ReadonlyMap<string, Resource> = new Map([
  ['RstreamConnection', connectionResource as Resource],
  ['RstreamTunnel', tunnelResource as Resource],
]);

interface Recorded extends Loose {
  readonly kind: string;
  readonly metadata: Loose['metadata'] & { readonly managedFields?: readonly ManagedFieldsEntry[] };
}

function objectsOf({ name: _, namespace, uid }: TunnelIdentity): readonly Recorded[] {
  const text = recorded
    .replaceAll('{{namespace}}', namespace)
    .replaceAll('{{uid}}', uid)
    .replaceAll('{{base}}', childBase('web', uid));
  return parseAllDocuments(text).map((document) => document.toJS() as Recorded);
}

/** The tunnel `web`, its connection and everything the Go operator made of it, as if it had just been stopped. */
export async function leaveGoOperator(harness: ManagerHarness, namespace: string): Promise<TunnelIdentity> {
  await Promise.all([harness.secret(namespace), harness.service(namespace), harness.connection(namespace)]);
  const { metadata } = await harness.tunnelOf(namespace);
  const identity = { name: 'web', namespace, uid: metadata.uid ?? '' };
  for (const object of objectsOf(identity)) await restore(harness, object);
  return identity;
}

/** A tunnel `web` that the Go operator found no connection for: it has a status and a finalizer, and no children. */
export async function leaveBlockedTunnel(harness: ManagerHarness, namespace: string): Promise<void> {
  await harness.tunnelOf(namespace);
  const ref = { namespace, name: 'web' };
  const go = { fieldManager: GO_MANAGER };
  const finalizers = [LEGACY_FINALIZER];
  await harness.client.mergePatch(tunnelResource, ref, { metadata: { finalizers } }, go);
  const message = 'RstreamConnection "default" was not found';
  const conditions = ['Accepted', 'Ready'].map((type) => ({
    ...{ type, status: 'False', reason: 'ConnectionMissing', message, observedGeneration: 1 },
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }));
  const status = { observedGeneration: 1, lastError: message, conditions };
  await harness.client.mergePatch(tunnelResource, ref, { status }, { ...go, subresource: 'status' });
}

async function restore({ client }: ManagerHarness, object: Recorded): Promise<void> {
  const { status, ...rest } = object;
  const { managedFields = [], finalizers, ...metadata } = object.metadata;
  const { name, namespace } = metadata;
  const go = { fieldManager: GO_MANAGER };
  const resource = own.get(object.kind) ?? children.get(object.kind);
  if (resource === undefined) throw new Error(`nothing is known of ${object.kind}`);

  if (children.has(object.kind)) await client.create(resource, { ...rest, metadata } as Loose, go);
  const set = async (path: string, value: unknown, subresource?: 'status') => {
    const options = { ...go, ...(subresource && { subresource }) };
    await client.jsonPatch(resource, { name, namespace }, [{ op: 'add', path, value }], options);
  };
  if (status !== undefined) await set('/status', status, 'status');
  if (finalizers !== undefined) await set('/metadata/finalizers', finalizers);
  await set('/metadata/managedFields', managedFields);
}
