// The one seam by which a user's own fields and Helm's placeholders reach a manifest: they are laid on verbatim after
// synthesis. cdk8s would drop fields newer than its types, turn strings in other places into rubbish, and refuse a map
// that has the key `constructor`.

import type { ApiObject } from 'cdk8s';

/** A value and where it goes: property names from the top of the object; a number is an index of a list that exists. */
export interface Overlay {
  readonly path: readonly [string | number, ...(string | number)[]];
  readonly value: unknown;
}

type Container = Record<string | number, unknown>;

/** Lays values on whatever `object` synthesizes to, in order. Values are not copied or looked into. */
export function layOn(object: ApiObject, overlays: readonly Overlay[]): void {
  const synthesize = object.toJson.bind(object);

  object.toJson = () => overlays.reduce(withOverlay, synthesize());
}

/** One overlay per field that is present, under `path`. */
export function overlaysOf(path: Overlay['path'], fields: Readonly<Record<string, unknown>>): Overlay[] {
  return Object.entries(fields).flatMap(([key, value]) =>
    isPresent(value) ? [{ path: [...path, key], value } satisfies Overlay] : [],
  );
}

/** Whether a field holds anything: empty strings, lists and objects count as absent. */
export function isPresent<T>(value: T): value is NonNullable<T> {
  if (value === undefined || value === null || value === '') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function withOverlay(manifest: Container, { path, value }: Overlay): Container {
  const parents = path.slice(0, -1);
  const last = path[path.length - 1] ?? path[0];

  parents.reduce(childOf, manifest)[last] = value;
  return manifest;
}

function childOf(parent: Container, key: string | number): Container {
  const child = parent[key];
  if (isContainer(child)) return child;
  if (child !== undefined) throw new TypeError(`an overlay leads through ${key}, which is no object`);

  const created: Container = {};
  parent[key] = created;
  return created;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}
