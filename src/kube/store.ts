// The objects an informer knows, by key and by index. It only moves forward: an older version of an object never replaces a
// newer one, and an object seen deleted never comes back through a late answer to a write.

import { type KubeObject, keyOf, type ObjectList, type ObjectRef } from './object.ts';

/** The values an object is found under in one index; none leaves it out. */
export type IndexFunction<T> = (object: T) => readonly string[];

export type Change<T> =
  | { readonly type: 'add'; readonly object: T }
  | { readonly type: 'update'; readonly object: T; readonly old: T }
  | { readonly type: 'delete'; readonly object: T };

export interface ReplaceOptions {
  /** The server's versions have gone backwards (a restored backup): the list is true even where it is older. */
  readonly rewound?: boolean | undefined;
}

/** How many deletions are remembered: far more than can happen while one write is under way. */
const maxTombstones = 4096;

export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #functions: ReadonlyMap<string, IndexFunction<T>>;
  /** Index name → value → key → object. */
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();
  /** uid → the version at which it went. */
  readonly #tombstones = new Map<string, string | undefined>();

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    this.#functions = new Map(Object.entries(indexes));
    for (const name of this.#functions.keys()) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(ref: ObjectRef): T | undefined {
    return this.#objects.get(keyOf(ref));
  }

  getByKey(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new RangeError(`there is no index "${name}"`);
    return [...(index.get(value)?.values() ?? [])];
  }

  /** Takes an object in, if it is new or newer; another uid under the same key is a deletion and an addition. */
  set(object: T): readonly Change<T>[] {
    const { uid, resourceVersion } = object.metadata;
    if (this.#isBuried(uid, resourceVersion)) return [];
    const old = this.get(object.metadata);
    const order = compareVersions(resourceVersion, old?.metadata.resourceVersion) ?? 1;
    return order > 0 ? this.#take(object, old) : [];
  }

  /** Removes what is stored under the object's key, unless that is another or newer one. Reports the last state given. */
  delete(object: T): readonly Change<T>[] {
    const { uid, resourceVersion } = object.metadata;
    this.#bury(uid, resourceVersion);
    const old = this.get(object.metadata);
    if (!old || old.metadata.uid !== uid) return [];
    if ((compareVersions(old.metadata.resourceVersion, resourceVersion) ?? 0) > 0) return [];
    this.#drop(old, resourceVersion);
    return [{ type: 'delete', object }];
  }

  /** Takes over a complete list of a namespace (absent: of all): what is missing from it was deleted. */
  replace(
    namespace: string | undefined,
    list: ObjectList<T>,
    options: ReplaceOptions = {},
  ): readonly Change<T>[] {
    const { resourceVersion, items } = list;
    const listed = new Set(items.map((object) => keyOf(object.metadata)));
    const changes: Change<T>[] = [];
    if (options.rewound) this.#tombstones.clear();
    for (const [key, old] of this.#objects) {
      if (listed.has(key) || (namespace !== undefined && old.metadata.namespace !== namespace)) continue;
      // Written after the list was taken: the watch that follows will tell.
      const newer = (compareVersions(old.metadata.resourceVersion, resourceVersion) ?? 0) > 0;
      if (newer && !options.rewound) continue;
      this.#drop(old, resourceVersion);
      changes.push({ type: 'delete', object: old });
    }
    for (const object of items) changes.push(...(options.rewound ? this.#force(object) : this.set(object)));
    return changes;
  }

  #force(object: T): readonly Change<T>[] {
    const old = this.get(object.metadata);
    return old?.metadata.resourceVersion === object.metadata.resourceVersion ? [] : this.#take(object, old);
  }

  #take(object: T, old: T | undefined): readonly Change<T>[] {
    if (!old) {
      this.#put(object);
      return [{ type: 'add', object }];
    }
    if (old.metadata.uid !== object.metadata.uid) {
      this.#drop(old, object.metadata.resourceVersion);
      this.#put(object);
      return [
        { type: 'delete', object: old },
        { type: 'add', object },
      ];
    }
    this.#unindex(old);
    this.#put(object);
    return [{ type: 'update', object, old }];
  }

  #put(object: T): void {
    const key = keyOf(object.metadata);
    this.#objects.set(key, object);
    for (const [name, valuesOf] of this.#functions) {
      const index = this.#indexes.get(name);
      for (const value of valuesOf(object)) {
        const entry = index?.get(value) ?? new Map<string, T>();
        entry.set(key, object);
        index?.set(value, entry);
      }
    }
  }

  #drop(object: T, at: string | undefined): void {
    this.#objects.delete(keyOf(object.metadata));
    this.#unindex(object);
    this.#bury(object.metadata.uid, at);
  }

  #unindex(object: T): void {
    const key = keyOf(object.metadata);
    for (const [name, valuesOf] of this.#functions) {
      const index = this.#indexes.get(name);
      for (const value of valuesOf(object)) {
        const entry = index?.get(value);
        entry?.delete(key);
        if (entry?.size === 0) index?.delete(value);
      }
    }
  }

  /** What left a label selector may come back under its uid, but only as a newer version. */
  #isBuried(uid: string | undefined, resourceVersion: string | undefined): boolean {
    if (uid === undefined || !this.#tombstones.has(uid)) return false;
    const order = compareVersions(resourceVersion, this.#tombstones.get(uid));
    return order === undefined || order <= 0;
  }

  #bury(uid: string | undefined, at: string | undefined): void {
    if (uid === undefined) return;
    this.#tombstones.set(uid, at);
    if (this.#tombstones.size <= maxTombstones) return;
    for (const oldest of this.#tombstones.keys()) {
      this.#tombstones.delete(oldest);
      break;
    }
  }
}

/**
 * Negative, 0 or positive as `a` is older than, the same as or newer than `b`; undefined when they cannot be compared.
 * Versions of one resource are ordered integers: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
export function compareVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  if (!/^[1-9]\d*$/.test(a) || !/^[1-9]\d*$/.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
