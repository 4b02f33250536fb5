// Drift, judged by field ownership instead of values: whoever changes or removes a field that we applied takes it out of
// our managedFields entry. Unlike a comparison of values this knows no false alarms from defaults, quantities written
// another way, or admission webhooks that rewrite what everybody sends.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management

import { SharedStrings } from '../common/shared-strings.ts';

type Fields = { readonly [key: string]: Fields };

/** Stands for the uid of the controller, which is the only field key in which the children of two tunnels alike differ. */
const controller = '<controller>';
/** A few kilobytes per child otherwise, and a tunnel has five. There are as many as ways to write a tunnel, times kinds. */
const shared = new SharedStrings(256);

/** An Apply entry's fieldsV1 as text, for ownsEveryField. */
export function ownedFieldsOf(fieldsV1: unknown, controllerUid: string | undefined): string {
  const text = JSON.stringify(fieldsV1);
  return shared.share(controllerUid === undefined ? text : text.replaceAll(controllerUid, controller));
}

/** Whether every field of the manifest is owned by our Apply entry; `ownedFields` comes from ownedFieldsOf, `controllerUid` is the same. */
export function ownsEveryField(
  manifest: object,
  ownedFields: string | undefined,
  controllerUid: string | undefined,
): boolean {
  if (ownedFields === undefined) return false;
  const owned: Fields = JSON.parse(ownedFields.replaceAll(controller, controllerUid ?? controller));
  return Object.entries(manifest).every(([key, value]) => {
    if (key === 'apiVersion' || key === 'kind') return true;
    return key === 'metadata' ? ownsMetadata(value, owned['f:metadata']) : ownsField(key, value, owned);
  });
}

/** Name and namespace identify an object; nobody owns them. */
function ownsMetadata(metadata: unknown, owned: Fields | undefined): boolean {
  if (!isObject(metadata)) return true;
  return Object.entries(metadata).every(
    ([key, value]) => key === 'name' || key === 'namespace' || ownsField(key, value, owned),
  );
}

function ownsField(key: string, value: unknown, owned: Fields | undefined): boolean {
  if (value === undefined || value === null) return true;
  const field = owned?.[`f:${key}`];
  return field === undefined ? isEmpty(value) : ownsValue(value, field);
}

function ownsValue(value: unknown, owned: Fields): boolean {
  const keys = Object.keys(owned);
  if (Array.isArray(value)) {
    const isAtomic = !keys.some((key) => key.startsWith('k:') || key.startsWith('v:'));
    return isAtomic || value.every((item) => ownsItem(item, owned));
  }
  const isLeaf = keys.length === 0 || !isObject(value);
  return isLeaf || Object.entries(value).every(([key, item]) => ownsField(key, item, owned));
}

/** An item of an associative list is under `k:{its key fields}`, an item of a set under `v:value`. */
function ownsItem(item: unknown, owned: Fields): boolean {
  if (!isObject(item)) return owned[`v:${JSON.stringify(item)}`] !== undefined;
  return Object.entries(owned).some(([key, fields]) => {
    return key.startsWith('k:') && matchesKey(item, JSON.parse(key.slice(2))) && ownsValue(item, fields);
  });
}

/** Key fields that the item leaves out were filled in with their default. */
function matchesKey(item: Record<string, unknown>, key: Record<string, unknown>): boolean {
  return Object.entries(key).every(([name, value]) => item[name] === undefined || item[name] === value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) ? Object.keys(value).length === 0 : value === '';
}
