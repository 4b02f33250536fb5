// Tunnels and connections as the manager keeps them: whole, but with managedFields boiled down to what is asked of them.

import { FIELD_MANAGER } from '../api/group.ts';
import type { RstreamConnection, RstreamTunnel } from '../api/resources.ts';
import type { KubeObject, ManagedFieldsEntry } from '../kube/object.ts';

export interface StatusOwners {
  /** Status fields (`hostname`, `conditions/Stalled`) that somebody else than our apply owns too. */
  readonly foreign: readonly string[];
  /** Managers that wrote the status by Update, and may be the Go operator. */
  readonly updaters: readonly string[];
  /** Whether the manager has ever applied the status. */
  readonly applied: boolean;
}

export type CachedTunnel = RstreamTunnel & { readonly owners: StatusOwners };
export type CachedConnection = RstreamConnection & { readonly owners: StatusOwners };

/** Works for both resources; `object` comes from the API server, which has checked it against the schema. */
export function cacheResource<T extends KubeObject>(object: T): T & { readonly owners: StatusOwners } {
  const { managedFields = [], ...metadata } = object.metadata;
  return { ...object, metadata, owners: statusOwners(managedFields) };
}

/** Somebody has written this spec, and no status tells of it yet. */
export function isUnobserved(tunnel: CachedTunnel | undefined): boolean {
  return tunnel !== undefined && tunnel.status?.observedGeneration !== tunnel.metadata.generation;
}

function statusOwners(entries: readonly ManagedFieldsEntry[]): StatusOwners {
  const onStatus = entries.filter(
    ({ fieldsV1, subresource }) => subresource === 'status' && isObject(fieldsV1),
  );
  const isOurs = ({ manager, operation }: ManagedFieldsEntry) =>
    manager === FIELD_MANAGER.manager && operation === 'Apply';
  const foreign = onStatus
    .filter((entry) => !isOurs(entry))
    .flatMap(({ fieldsV1 }) => statusFields(fieldsV1));
  const updaters = onStatus
    .filter(({ operation }) => operation === 'Update')
    .map(({ manager }) => manager ?? '');
  return { foreign: [...new Set(foreign)], updaters, applied: onStatus.some(isOurs) };
}

function statusFields(fieldsV1: unknown): readonly string[] {
  const status = isObject(fieldsV1) ? fieldsV1['f:status'] : undefined;
  if (!isObject(status)) return [];
  return Object.entries(status).flatMap(([key, fields]) => {
    const name = key.slice(2);
    return name === 'conditions' && isObject(fields) ? conditionFields(fields) : [name];
  });
}

function conditionFields(fields: Record<string, unknown>): readonly string[] {
  return Object.keys(fields)
    .filter((key) => key.startsWith('k:'))
    .map((key) => `conditions/${String(JSON.parse(key.slice(2)).type)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
