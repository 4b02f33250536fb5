// A typed client of the API server: one function per verb, deadlines and bounds on each, errors as ApiError. It keeps no
// state but its connections; watches end with an error or when the server closes them, and resuming is the informer's work.

import type {
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  JsonPatchOperation,
  KubeClientOptions,
  ListOptions,
  ListPageOptions,
  PatchOptions,
  Selection,
  WatchOptions,
  WriteOptions,
} from './client-options.ts';
import { decodeList, decodeObject, type ListPage, type WatchEvent } from './decode.ts';
import { isExpired, isNotFound } from './errors.ts';
import type { WriteGate } from './http.ts';
import type { KubeObject, ObjectList, ObjectRef } from './object.ts';
import { Requester } from './requester.ts';
import { apiVersionOf, type Resource, resourcePath } from './resource.ts';
import { readWatch } from './watch-stream.ts';

export type { JsonPatchOperation, KubeClientOptions, Selection } from './client-options.ts';

export class KubeClient {
  readonly #requests: Requester;

  constructor(options: KubeClientOptions | Requester) {
    this.#requests = options instanceof Requester ? options : new Requester(options);
  }

  /** The same client whose writes ask `gate` at the send. Connections and rate limit are shared. */
  gated(gate: WriteGate): KubeClient {
    return new KubeClient(this.#requests.with({ gate }));
  }

  /** The same client without rate limit and gate, never waiting for a free connection: for leases. */
  reserved(): KubeClient {
    return new KubeClient(this.#requests.with({ limiter: undefined, gate: undefined }, 'reserved'));
  }

  /** Ends every connection; calls and watches under way fail. */
  close(): void {
    this.#requests.close();
  }

  /** undefined when there is no such object. */
  async get<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined> {
    try {
      const path = resourcePath(resource, ref);
      return decodeObject(
        resource,
        await this.#requests.json({ method: 'GET', path, accept: accept(resource), call: options }),
      );
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** GET of any path, as parsed JSON: discovery, /version. */
  async getPath(path: string, options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return await this.#requests.json({ method: 'GET', path, call: options });
  }

  /** Every object, page by page. */
  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    return await this.listMapped(resource, (object) => object, options);
  }

  /**
   * Every object through `map` as its page arrives, so that what `map` drops is never held for the whole list. A continue
   * token that expires starts over without paging.
   */
  async listMapped<T extends KubeObject, R>(
    resource: Resource<T>,
    map: (object: T) => R,
    options: ListOptions = {},
  ): Promise<ObjectList<R>> {
    const items: R[] = [];
    let continueToken: string | undefined;
    try {
      for (;;) {
        const page = await this.listPage(resource, { ...options, continueToken });
        for (const item of page.items) items.push(map(item));
        if (page.continueToken === undefined) return { resourceVersion: page.resourceVersion, items };
        continueToken = page.continueToken;
      }
    } catch (error) {
      if (!isExpired(error) || continueToken === undefined) throw error;
      const page = await this.listPage(resource, { ...options, limit: 0 });
      return { resourceVersion: page.resourceVersion, items: page.items.map(map) };
    }
  }

  async listPage<T extends KubeObject>(
    resource: Resource<T>,
    options: ListPageOptions = {},
  ): Promise<ListPage<T>> {
    const { limit = 500, continueToken } = options;
    const fields = await this.#requests.json({
      method: 'GET',
      path: resourcePath(resource, { namespace: options.namespace }),
      query: { ...selectors(options), limit: limit > 0 ? String(limit) : undefined, continue: continueToken },
      accept: accept(resource, 'List'),
      call: options,
    });
    return decodeList(resource, fields);
  }

  /** Changes after `resourceVersion`; returns when the server ends the watch, throws ApiError for an ERROR event. */
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const { namespace, resourceVersion, timeoutSeconds, silenceMs, signal } = options;
    const message = await this.#requests.open({
      method: 'GET',
      path: resourcePath(resource, { namespace }),
      query: {
        ...selectors(options),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: timeoutSeconds === undefined ? undefined : String(timeoutSeconds),
      },
      accept: accept(resource),
      call: { signal },
    });
    if (message.statusCode === 200) options.opened?.();
    yield* readWatch(resource, message, { silenceMs, signal, clock: this.#requests.clock });
  }

  /**
   * Server-side apply: creates or changes the object so that our fields are exactly these. Unknown fields are refused. With
   * a resourceVersion, a conflict may come of this very call, when its connection broke after it had arrived.
   */
  async apply<T extends KubeObject, A extends KubeObject>(
    resource: Resource<T>,
    object: A,
    options: ApplyOptions,
  ): Promise<T> {
    return await this.#apply(resource, object, options, undefined);
  }

  /** The same on the status subresource; the object must exist. */
  async applyStatus<T extends KubeObject, A extends KubeObject>(
    resource: Resource<T>,
    object: A,
    options: ApplyOptions,
  ): Promise<T> {
    return await this.#apply(resource, object, options, 'status');
  }

  /** Fails with AlreadyExists (isAlreadyExists) when there is one. */
  async create<T extends KubeObject, A extends KubeObject>(
    resource: Resource<T>,
    object: A,
    options: WriteOptions,
  ): Promise<T> {
    const fields = await this.#requests.json({
      method: 'POST',
      path: resourcePath(resource, { namespace: object.metadata.namespace }),
      query: { fieldManager: options.fieldManager, fieldValidation: 'Strict' },
      contentType: 'application/json',
      body: typed(resource, object),
      call: options,
    });
    return decodeObject(resource, fields);
  }

  /** RFC 6902; a `test` operation that fails is a 422. */
  async jsonPatch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    operations: readonly JsonPatchOperation[],
    options: PatchOptions,
  ): Promise<T> {
    const sent = { contentType: 'application/json-patch+json', body: operations };
    return await this.#patch(resource, ref, sent, options);
  }

  /** A JSON merge patch (RFC 7386). */
  async mergePatch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: Readonly<Record<string, unknown>>,
    options: PatchOptions,
  ): Promise<T> {
    const sent = { contentType: 'application/merge-patch+json', body: patch };
    return await this.#patch(resource, ref, sent, options);
  }

  async #patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: { readonly contentType: string; readonly body: unknown },
    options: PatchOptions,
  ): Promise<T> {
    const fields = await this.#requests.json({
      method: 'PATCH',
      path: resourcePath(resource, { ...ref, subresource: options.subresource }),
      query: { fieldManager: options.fieldManager, fieldValidation: 'Strict' },
      ...patch,
      call: options,
    });
    return decodeObject(resource, fields);
  }

  /** true when it was there; false when there is nothing (left) to delete. */
  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, resourceVersion, propagationPolicy = 'Background', gracePeriodSeconds } = options;
    const preconditions =
      uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    try {
      await this.#requests.json({
        method: 'DELETE',
        path: resourcePath(resource, ref),
        contentType: 'application/json',
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy,
          gracePeriodSeconds,
          preconditions,
        },
        call: options,
        repeatable: true,
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #apply<T extends KubeObject>(
    resource: Resource<T>,
    object: KubeObject,
    options: ApplyOptions,
    subresource: string | undefined,
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const fields = await this.#requests.json({
      method: 'PATCH',
      path: resourcePath(resource, { namespace, name, subresource }),
      query: {
        fieldManager: options.fieldManager,
        force: String(options.force ?? true),
        fieldValidation: 'Strict',
      },
      contentType: 'application/apply-patch+yaml',
      body: typed(resource, object),
      call: options,
      repeatable: true,
    });
    return decodeObject(resource, fields);
  }
}

function accept(resource: Resource, suffix: '' | 'List' = ''): string | undefined {
  if (!resource.metadataOnly) return undefined;
  return `application/json;as=PartialObjectMetadata${suffix};g=meta.k8s.io;v=v1`;
}

function typed(resource: Resource, object: KubeObject): KubeObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function selectors(selection: Selection): Record<string, string | undefined> {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}
