// Moves what another manager wrote by Update into our own server-side apply entry, so that our next apply removes what we
// no longer want instead of leaving it behind. The same idea as csaupgrade in client-go. Pure.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply

import { FIELD_MANAGER } from '../api/group.ts';
import type { ManagedFieldsEntry } from '../kube/object.ts';

type Fields = { readonly [key: string]: Fields };

/** Fields of a status that agents write; they become the agents'. */
const agentFields = new Set(['f:tunnelID', 'f:forwardingAddress', 'f:lastError', 'f:agentPod']);
const agentConditions = new Set(['k:{"type":"TunnelReady"}', 'k:{"type":"TargetReachable"}']);

/**
 * The entries after the move of those that `isLegacy` picks, or undefined when there are none. `subresource` is that of
 * the apply they move into. What agents write of a status moves into the agents' own entry, for the same reason.
 */
export function adoptEntries(
  entries: readonly ManagedFieldsEntry[],
  isLegacy: (entry: ManagedFieldsEntry) => boolean,
  subresource?: 'status',
): readonly ManagedFieldsEntry[] | undefined {
  const legacy = entries.filter(isLegacy);
  const [first] = legacy;
  if (first === undefined) return undefined;

  const appliedBy = (manager: string) => (entry: ManagedFieldsEntry) =>
    entry.manager === manager &&
    entry.operation === 'Apply' &&
    (entry.subresource || undefined) === subresource;
  const entryOf = (manager: string, part: (fields: Fields) => Fields): readonly ManagedFieldsEntry[] => {
    const applied = entries.filter(appliedBy(manager)).map(({ fieldsV1 }) => asFields(fieldsV1));
    const moved = legacy.map(({ fieldsV1 }) => part(asFields(fieldsV1)));
    const fieldsV1 = [...applied, ...moved].reduce(merge, {});
    const isEmpty = Object.keys(fieldsV1).length === 0;
    return isEmpty ? [] : [{ ...first, manager, operation: 'Apply', fieldsV1 }];
  };
  const isReplaced = (entry: ManagedFieldsEntry) =>
    isLegacy(entry) || appliedBy(FIELD_MANAGER.manager)(entry) || appliedBy(FIELD_MANAGER.agent)(entry);

  return [
    ...entries.filter((entry) => !isReplaced(entry)),
    ...entryOf(FIELD_MANAGER.manager, withoutAgents),
    ...entryOf(FIELD_MANAGER.agent, onlyAgents),
  ];
}

/** All fields of several entries. */
export function mergeFields(entries: readonly ManagedFieldsEntry[]): object {
  return entries.map(({ fieldsV1 }) => asFields(fieldsV1)).reduce(merge, {});
}

function merge(a: Fields, b: Fields): Fields {
  const merged = new Map(Object.entries(a));
  for (const [key, fields] of Object.entries(b)) merged.set(key, merge(merged.get(key) ?? {}, fields));
  return Object.fromEntries(merged);
}

function withoutAgents(fields: Fields): Fields {
  return mapStatus(fields, (status) => ({
    ...without(status, (key) => agentFields.has(key)),
    ...(status['f:conditions'] && {
      'f:conditions': without(status['f:conditions'], (key) => agentConditions.has(key)),
    }),
  }));
}

function onlyAgents(fields: Fields): Fields {
  const status = fields['f:status'];
  if (status === undefined) return {};
  const kept = without(status, (key) => !agentFields.has(key));
  const conditions = without(status['f:conditions'] ?? {}, (key) => !agentConditions.has(key));
  const all = Object.keys(conditions).length > 0 ? { ...kept, 'f:conditions': conditions } : kept;
  return Object.keys(all).length > 0 ? { 'f:status': all } : {};
}

function mapStatus(fields: Fields, change: (status: Fields) => Fields): Fields {
  const status = fields['f:status'];
  return status === undefined ? fields : { ...fields, 'f:status': change(status) };
}

function without(fields: Fields, drop: (key: string) => boolean): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !drop(key)));
}

/** fieldsV1 is an object of objects all the way down; anything else counts as empty. */
function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
