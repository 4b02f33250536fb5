// A typed client of the API server: one function per verb, deadlines and bounds on each, errors as ApiError. It keeps no
// state but its connections; watches end with an error or when the server closes them, and resuming is the informer's work.

import type { Clock } from '../common/clock.ts';
import type { Credentials } from './credentials.ts';
import { decodeList, decodeObject, errorOf, type ListPage, parseBody, type WatchEvent } from './decode.ts';
import { ApiError, isExpired, isNotFound, KubeError, kubeErrorCodes } from './errors.ts';
import { type HttpCall, HttpTransport, type Lane, type WriteGate } from './http.ts';
import type { KubeMetrics } from './metrics.ts';
import type { KubeObject, ObjectList, ObjectRef } from './object.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { apiVersionOf, type Resource, resourcePath } from './resource.ts';
import { readWatch } from './watch-stream.ts';

export interface KubeClientOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Asked before each request except watches; default none. */
  readonly limiter?: RateLimiter | undefined;
  /** Asked when a write is about to be sent; default open. */
  readonly gate?: WriteGate | undefined;
  readonly metrics?: KubeMetrics | undefined;
  /** Deadline of a call that names none; default 30 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Bound of an answer; default 128 MiB (a page of 500 large objects). */
  readonly maxBodyBytes?: number | undefined;
  /** Connections for calls, watches not counted; default 64. */
  readonly maxConnections?: number | undefined;
  readonly userAgent?: string | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Selection {
  /** Absent: every namespace. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends CallOptions, Selection {
  /** Objects per page; default 500, 0 = all at once. */
  readonly limit?: number | undefined;
}

export interface ListPageOptions extends ListOptions {
  readonly continueToken?: string | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  /** The server closes the watch after this. */
  readonly timeoutSeconds?: number | undefined;
  /** Nothing received for this long ends the watch with ERR_KUBE_TIMEOUT; bookmarks may be a minute apart. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Take fields over from other managers; default true. */
  readonly force?: boolean | undefined;
}

export interface PatchOptions extends WriteOptions {
  readonly subresource?: string | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only this very object; 409 Conflict otherwise. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** Default Background. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

/** https://datatracker.ietf.org/doc/html/rfc6902 */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

interface Outgoing {
  readonly method: HttpCall['method'];
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly accept?: string | undefined;
  readonly contentType?: string;
  readonly body?: unknown;
  readonly call?: CallOptions | undefined;
  /** Sending it twice ends in the same state, so a connection that broke may be tried again once. */
  readonly repeatable?: boolean;
}

const defaultTimeoutMs = 30_000;
const defaultMaxBodyBytes = 128 * 1024 * 1024;

export class KubeClient {
  readonly #options: KubeClientOptions;
  readonly #transport: HttpTransport;
  readonly #lane: Lane;

  constructor(
    options: KubeClientOptions,
    shared?: { readonly transport: HttpTransport; readonly lane: Lane },
  ) {
    this.#options = options;
    this.#transport = shared?.transport ?? new HttpTransport(options);
    this.#lane = shared?.lane ?? 'calls';
  }

  /** The same client whose writes ask `gate` at the send. Connections and rate limit are shared. */
  gated(gate: WriteGate): KubeClient {
    return new KubeClient({ ...this.#options, gate }, { transport: this.#transport, lane: this.#lane });
  }

  /** The same client without rate limit and gate, never waiting for a free connection: for leases. */
  reserved(): KubeClient {
    const { limiter: _, gate: __, ...options } = this.#options;
    return new KubeClient(options, { transport: this.#transport, lane: 'reserved' });
  }

  /** Ends every connection; calls and watches under way fail. */
  close(): void {
    this.#transport.close();
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
        await this.#json({ method: 'GET', path, accept: accept(resource), call: options }),
      );
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** GET of any path, as parsed JSON: discovery, /version. */
  async getPath(path: string, options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return await this.#json({ method: 'GET', path, call: options });
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
    const fields = await this.#json({
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
    const { resourceVersion, timeoutSeconds, silenceMs, signal } = options;
    const query = queryOf({
      ...selectors(options),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: timeoutSeconds === undefined ? undefined : String(timeoutSeconds),
    });
    const message = await this.#transport.open({
      method: 'GET',
      path: `${resourcePath(resource, { namespace: options.namespace })}${query}`,
      headers: { accept: accept(resource) ?? 'application/json' },
      lane: 'streams',
      timeoutMs: this.#options.timeoutMs ?? defaultTimeoutMs,
      maxBodyBytes: 0,
      signal,
    });
    this.#options.metrics?.request('GET', message.statusCode ?? 0, this.#transport.host);
    if (message.statusCode === 401) this.#options.credentials.invalidate?.();
    yield* readWatch(resource, message, { silenceMs, signal, clock: this.#options.clock });
  }

  /** Server-side apply: creates or changes the object so that our fields are exactly these. Unknown fields are refused. */
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
    const fields = await this.#json({
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
    const fields = await this.#json({
      method: 'PATCH',
      path: resourcePath(resource, { ...ref, subresource: options.subresource }),
      query: { fieldManager: options.fieldManager, fieldValidation: 'Strict' },
      contentType: 'application/json-patch+json',
      body: operations,
      call: options,
    });
    return decodeObject(resource, fields);
  }

  /** A JSON merge patch (RFC 7386). */
  async mergePatch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: Readonly<Record<string, unknown>>,
    options: PatchOptions,
  ): Promise<T> {
    const fields = await this.#json({
      method: 'PATCH',
      path: resourcePath(resource, { ...ref, subresource: options.subresource }),
      query: { fieldManager: options.fieldManager, fieldValidation: 'Strict' },
      contentType: 'application/merge-patch+json',
      body: patch,
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
      await this.#json({
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
    const fields = await this.#json({
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
      repeatable: object.metadata.resourceVersion === undefined,
    });
    return decodeObject(resource, fields);
  }

  /** Sends one request, once more after a 401 or, when repeatable, after a connection that broke. */
  async #json(outgoing: Outgoing): Promise<Readonly<Record<string, unknown>>> {
    try {
      return await this.#once(outgoing);
    } catch (error) {
      const unauthorized = error instanceof ApiError && error.status === 401;
      const broken = error instanceof KubeError && error.code === kubeErrorCodes.connection;
      if (unauthorized && this.#options.credentials.invalidate) this.#options.credentials.invalidate();
      else if (!broken || !(outgoing.method === 'GET' || outgoing.repeatable)) throw error;
      return await this.#once(outgoing);
    }
  }

  async #once(outgoing: Outgoing): Promise<Readonly<Record<string, unknown>>> {
    const { method, path, query = {}, contentType, body, call } = outgoing;
    await this.#options.limiter?.acquire(call?.signal);
    const headers: Record<string, string> = { accept: outgoing.accept ?? 'application/json' };
    if (contentType !== undefined) headers['content-type'] = contentType;

    const answer = await this.#transport.call({
      method,
      path: `${path}${queryOf(query)}`,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      lane: this.#lane,
      timeoutMs: call?.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs,
      maxBodyBytes: this.#options.maxBodyBytes ?? defaultMaxBodyBytes,
      signal: call?.signal,
      gate: method === 'GET' ? undefined : this.#options.gate,
    });
    this.#options.metrics?.request(method, answer.status, this.#transport.host);
    if (answer.status >= 400) throw errorOf(answer);
    return parseBody(answer.body, `${method} ${path}`);
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

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
