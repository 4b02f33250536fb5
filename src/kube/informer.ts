// A cache of one resource that follows the API server, with indexes and handlers. Handlers are called after the cache has
// changed, in order, once per change: add, update, delete, also for what happened while the watch was down.

import { inBackground } from '../common/background.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from './client.ts';
import type { KubeMetrics } from './metrics.ts';
import type { KubeObject, ObjectRef } from './object.ts';
import { Reflector, type Sink } from './reflector.ts';
import { type Resource, resourceName } from './resource.ts';
import { type Change, type IndexFunction, Store } from './store.ts';

export interface InformerOptions<T extends KubeObject, C extends KubeObject = T> {
  readonly client: KubeClient;
  /** metadataOf(secrets) keeps values out of this process. */
  readonly resource: Resource<T>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeMetrics | undefined;
  /** In metrics and logs; default the resource's name. */
  readonly name?: string | undefined;
  /** Only these; default the whole cluster. One list and watch each. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly indexes?: Readonly<Record<string, IndexFunction<C>>> | undefined;
  /** Cuts an object down to what is read, before it is stored; metadata keeps name, namespace, uid and resourceVersion. */
  readonly transform?: ((object: T) => C) | undefined;
  /** Default false: metadata.managedFields are gone before `transform` runs. */
  readonly keepManagedFields?: boolean | undefined;
  /** Called after each list that was answered and each watch that began, and, with an error, after each that failed. */
  readonly onTried?: ((tried: Tried) => void) | undefined;
  readonly random?: (() => number) | undefined;
  readonly pageSize?: number | undefined;
  readonly silenceMs?: number | undefined;
  readonly maxBackoffMs?: number | undefined;
}

export interface Tried {
  /** undefined: the whole cluster. */
  readonly namespace: string | undefined;
  readonly verb: 'list' | 'watch';
  /** undefined: it worked. */
  readonly error: unknown;
}

/** Called synchronously; a handler that throws is logged and counted, and the others still run. */
export interface InformerHandler<T> {
  onAdd?(object: T): void;
  onUpdate?(object: T, old: T): void;
  /** With the last state known. */
  onDelete?(object: T): void;
}

/** T is what the API server sends, C what is kept of it. */
export class Informer<T extends KubeObject, C extends KubeObject = T> {
  readonly #options: InformerOptions<T, C>;
  readonly #name: string;
  readonly #store: Store<C>;
  readonly #handlers = new Set<InformerHandler<C>>();
  readonly #reflectors: readonly Reflector<T, C>[];
  readonly #unsynced: Set<string>;
  readonly #stopping = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  readonly #metrics: ReturnType<KubeMetrics['informer']> | undefined;
  #runs: readonly Promise<void>[] = [];

  constructor(options: InformerOptions<T, C>) {
    this.#options = options;
    this.#name = options.name ?? resourceName(options.resource);
    this.#metrics = options.metrics?.informer(this.#name);
    this.#store = new Store(options.indexes);
    const namespaces = options.namespaces?.length ? [...new Set(options.namespaces)] : [''];
    this.#unsynced = new Set(namespaces);
    this.#reflectors = namespaces.map((namespace) => this.#reflector(namespace));
  }

  /** True once the first list of every namespace is in the cache and its handlers have run. */
  get hasSynced(): boolean {
    return this.#unsynced.size === 0;
  }

  /** How many objects are known. */
  get size(): number {
    return this.#store.size;
  }

  get(ref: ObjectRef): C | undefined {
    return this.#store.get(ref);
  }

  /** By keyOf's key. */
  getByKey(key: string): C | undefined {
    return this.#store.getByKey(key);
  }

  list(namespace?: string): readonly C[] {
    const all = [...this.#store.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  byIndex(index: string, value: string): readonly C[] {
    return this.#store.byIndex(index, value);
  }

  /** Calls onAdd for everything known, then follows. Returns the function that ends it. */
  subscribe(handler: InformerHandler<C>): () => void {
    this.#handlers.add(handler);
    for (const object of [...this.#store.values()]) this.#call(handler, { type: 'add', object });
    return () => {
      this.#handlers.delete(handler);
    };
  }

  /** Takes in the answer to a write of ours, so that the next reconcile sees it before the watch brings it. */
  written(object: T): void {
    if (!this.#stopping.signal.aborted) this.#notify(this.#store.set(this.#trim(object)));
  }

  start(): void {
    if (this.#runs.length > 0 || this.#stopping.signal.aborted) return;
    this.#runs = this.#reflectors.map((reflector) => reflector.run(this.#stopping.signal));
    for (const run of this.#runs) inBackground(this.#options.log, `watching ${this.#name}`, () => run);
  }

  /** Ends lists and watches; no handler is called afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`the informer of ${this.#name} is stopping`));
    await Promise.all(this.#runs);
  }

  /** Resolves when hasSynced turns true; rejects with the signal's reason. */
  async synced(signal?: AbortSignal): Promise<void> {
    if (!signal) return await this.#synced.promise;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** For /healthz: undefined, or which watch hangs. */
  check(): string | undefined {
    return this.#runs.length === 0 ? undefined : firstOf(this.#reflectors, (reflector) => reflector.check());
  }

  /** Why the last attempt failed, while there was no success since. */
  get failure(): string | undefined {
    return firstOf(this.#reflectors, (reflector) => reflector.failure);
  }

  /** For /readyz: which right or resource is missing, so that changes are not seen. */
  get refusal(): string | undefined {
    return firstOf(this.#reflectors, (reflector) => reflector.refusal);
  }

  #reflector(namespace: string): Reflector<T, C> {
    const { labelSelector, fieldSelector } = this.#options;
    const scope = namespace === '' ? undefined : namespace;
    return new Reflector<T, C>({
      ...this.#options,
      metrics: this.#metrics,
      transform: (object) => this.#trim(object),
      selection: { namespace: scope, labelSelector, fieldSelector },
      sink: this.#sink(namespace, scope),
    });
  }

  #sink(namespace: string, scope: string | undefined): Sink<C> {
    const open = () => !this.#stopping.signal.aborted;
    return {
      replace: (list, options) => {
        if (!open()) return;
        this.#notify(this.#store.replace(scope, list, options));
        this.#unsynced.delete(namespace);
        if (this.#unsynced.size === 0) this.#synced.resolve();
      },
      apply: (type, object) => {
        if (open()) this.#notify(type === 'DELETED' ? this.#store.delete(object) : this.#store.set(object));
      },
      tried: (verb, error) => {
        if (open()) this.#options.onTried?.({ namespace: scope, verb, error });
      },
    };
  }

  #trim(object: T): C {
    const { keepManagedFields, transform } = this.#options;
    let kept = object;
    if (!keepManagedFields && object.metadata.managedFields) {
      const { managedFields: _, ...metadata } = object.metadata;
      kept = { ...object, metadata };
    }
    // Without a transform nothing but C = T can have been meant.
    return transform ? transform(kept) : (kept as unknown as C);
  }

  #notify(changes: readonly Change<C>[]): void {
    for (const change of changes) for (const handler of this.#handlers) this.#call(handler, change);
  }

  #call(handler: InformerHandler<C>, change: Change<C>): void {
    try {
      if (change.type === 'add') handler.onAdd?.(change.object);
      else if (change.type === 'update') handler.onUpdate?.(change.object, change.old);
      else handler.onDelete?.(change.object);
    } catch (error) {
      this.#metrics?.handlerFailed();
      this.#options.log.error({ informer: this.#name, error }, 'an event handler failed');
    }
  }
}

function firstOf<R>(all: readonly R[], read: (one: R) => string | undefined): string | undefined {
  for (const one of all) {
    const found = read(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
