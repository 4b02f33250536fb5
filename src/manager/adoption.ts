// Takes over what rstream's Go operator left: its children, its part of a tunnel's status, and its finalizer. Each step is
// one JSON patch that tests the resourceVersion it was judged at, so that nothing written meanwhile is lost.

import { FIELD_MANAGER, LEGACY_FINALIZER } from '../api/group.ts';
import type { JsonPatchOperation, KubeClient } from '../kube/client.ts';
import type { KubeObject, ManagedFieldsEntry, ObjectRef } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { ownsOwnerReference } from './cached-objects.ts';
import type { StatusOwners } from './cached-tunnel.ts';
import { adoptEntries } from './managed-fields.ts';

/** Writes of people's tools stay theirs. */
function isToolOfPeople(manager: string | undefined): boolean {
  return /^kubectl/.test(manager ?? '');
}

/**
 * Whether the Go operator wrote the status, by Update: its manager before we ever applied it, or one of its agents, which
 * may run on for a while. Our own agents apply.
 */
export function isLegacyStatus({ applied, updaters }: StatusOwners): boolean {
  return updaters.some(
    (manager) => manager === FIELD_MANAGER.agent || (!applied && !isToolOfPeople(manager)),
  );
}

/** Makes the Go operator's part of the status ours, and its agent's part our agent's. */
export async function adoptStatus<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
  signal: AbortSignal,
): Promise<T | undefined> {
  const live = await client.get(resource, ref, { signal });
  const isLegacy = ({ operation, subresource, manager }: ManagedFieldsEntry) =>
    operation === 'Update' && subresource === 'status' && !isToolOfPeople(manager);
  return await moveEntries(
    client,
    resource,
    live,
    (entries) => adoptEntries(entries, isLegacy, 'status'),
    signal,
  );
}

/** Makes a child that the Go operator wrote by Update ours, field for field. */
export async function adoptChild<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
  tunnelUid: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  const live = await client.get(resource, ref, { signal });
  const isLegacy = (entry: ManagedFieldsEntry) => ownsOwnerReference({ ...entry }, tunnelUid);
  return await moveEntries(client, resource, live, (entries) => adoptEntries(entries, isLegacy), signal);
}

/** Removes the Go operator's finalizer, on live and on dying objects. */
export async function removeLegacyFinalizer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  object: KubeObject,
  signal: AbortSignal,
): Promise<T | undefined> {
  const index = object.metadata.finalizers?.indexOf(LEGACY_FINALIZER) ?? -1;
  if (index < 0) return undefined;
  const path = `/metadata/finalizers/${index}`;
  const operations: readonly JsonPatchOperation[] = [
    { op: 'test', path, value: LEGACY_FINALIZER },
    { op: 'remove', path },
  ];
  const { namespace, name } = object.metadata;
  return await client.jsonPatch(resource, { namespace, name }, operations, {
    fieldManager: FIELD_MANAGER.manager,
    signal,
  });
}

async function moveEntries<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  live: T | undefined,
  move: (entries: readonly ManagedFieldsEntry[]) => readonly ManagedFieldsEntry[] | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const entries = move(live?.metadata.managedFields ?? []);
  if (live === undefined || entries === undefined) return live;
  const { namespace, name, resourceVersion } = live.metadata;
  const operations: readonly JsonPatchOperation[] = [
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'replace', path: '/metadata/managedFields', value: entries },
  ];
  const options = { fieldManager: FIELD_MANAGER.manager, signal };
  return await client.jsonPatch(resource, { namespace, name }, operations, options);
}
