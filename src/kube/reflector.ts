// Keeps a sink equal to one collection of the API server: a paged list, then watches from where the last one ended. A
// watch that ends, fails or falls silent is resumed; a version the server no longer has, or one that keeps failing, means
// a new list. Every wait has backoff with jitter and a cap, reset once the server has told us something.

import { Backoff } from '../common/backoff.ts';
import { type Clock, sleep } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient, Selection } from './client.ts';
import type { WatchEvent } from './decode.ts';
import { ApiError, isExpired, isRefused, KubeError, kubeErrorCodes } from './errors.ts';
import type { InformerMetrics, WatchEnd } from './metrics.ts';
import type { KubeObject, ObjectList } from './object.ts';
import { type Resource, resourceName } from './resource.ts';
import { compareVersions } from './store.ts';

/** Where a reflector puts what it learns. */
export interface Sink<C> {
  /** rewound: the server's versions went backwards since the last list or event. */
  replace(list: ObjectList<C>, options: { readonly rewound: boolean }): void;
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: C): void;
  /** The server has answered a list, or begun a watch; with an error it has not, or the watch ended badly. */
  tried(verb: 'list' | 'watch', error?: unknown): void;
}

export interface ReflectorOptions<T extends KubeObject, C> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly selection: Selection;
  readonly sink: Sink<C>;
  readonly transform: (object: T) => C;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: InformerMetrics | undefined;
  readonly random?: (() => number) | undefined;
  readonly pageSize?: number | undefined;
  /** A watch that receives nothing for this long, plus up to half of it, is opened again; default 75 s. */
  readonly silenceMs?: number | undefined;
  /** Longest wait between attempts; default 30 s. */
  readonly maxBackoffMs?: number | undefined;
}

/** A first bookmark may take most of a minute, later ones a little more than one. */
const defaultSilenceMs = 75_000;
/** A watch the server ends sooner than this waits before the next one. */
const shortWatchMs = 1000;
/** So many watches in a row that brought nothing and did not end well: list again. */
const maxFruitless = 3;
/** Nothing started, ended or heard for this long can only mean that the loop itself hangs, or the way to the server does. */
const stuckAfterMs = 5 * 60_000;

export class Reflector<T extends KubeObject, C> {
  readonly #options: ReflectorOptions<T, C>;
  readonly #name: string;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  /** Where to watch from; undefined: list first. */
  #version: string | undefined;
  #lastVersion: string | undefined;
  #fruitless = 0;
  #progressAt: number;
  /** Since when watches have been opened and then brought nothing, not even bookmarks. */
  #silentSince: number | undefined;
  #isOpen = false;
  #failure: string | undefined;
  #refusal: string | undefined;

  constructor(options: ReflectorOptions<T, C>) {
    const { resource, selection, clock, random = Math.random, maxBackoffMs = 30_000 } = options;
    this.#options = options;
    this.#name = resourceName(resource) + (selection.namespace ? ` in namespace ${selection.namespace}` : '');
    this.#random = random;
    this.#backoff = new Backoff({ initialMs: Math.min(800, maxBackoffMs), maxMs: maxBackoffMs, random });
    this.#progressAt = clock.now();
  }

  /** Why the last attempt failed, while there was no success since. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * What somebody has to mend before changes are seen again: the API server refused a list or watch, and no watch has begun
   * since. A list alone would come and go with every try.
   */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /**
   * For /healthz: a server that is down never fails it. A loop that no longer moves does, and so do watches that open and
   * then stay silent again and again: nothing that happens would be seen before the next list.
   */
  check(): string | undefined {
    const now = this.#options.clock.now();
    const ms = now - this.#progressAt;
    if (ms > stuckAfterMs + this.#silenceMs())
      return `the watch of ${this.#name} has not moved for ${Math.round(ms / 1000)} s`;
    const silentMs = this.#silentSince === undefined ? 0 : now - this.#silentSince;
    if (silentMs <= stuckAfterMs) return undefined;
    return `the watch of ${this.#name} is open but has received nothing for ${Math.round(silentMs / 1000)} s`;
  }

  /** Lists and watches until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#moved();
      this.#isOpen = false;
      try {
        if (this.#version === undefined) await this.#list(signal);
        else await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#moved();
        await this.#recover(error, signal).catch(() => {});
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, selection, transform, sink, metrics, pageSize } = this.#options;
    const list = await client.listMapped(resource, transform, { ...selection, limit: pageSize, signal });
    metrics?.listed(list.items.length);
    const order = compareVersions(list.resourceVersion, this.#lastVersion) ?? 0;
    sink.replace(list, { rewound: order < 0 });
    this.#reached(list.resourceVersion);
    this.#failure = undefined;
    sink.tried('list');
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, resource, selection, clock, metrics } = this.#options;
    const startedAt = clock.now();
    const timeoutSeconds = Math.round(300 * (1 + this.#random()));
    const silenceMs = Math.round(this.#silenceMs() * (1 + this.#random() / 2));

    metrics?.watchStarted();
    const opened = () => {
      this.#moved();
      this.#isOpen = true;
      this.#refusal = undefined;
      this.#silentSince ??= clock.now();
      this.#options.sink.tried('watch');
    };
    const options = { ...selection, resourceVersion, timeoutSeconds, silenceMs, signal, opened };
    for await (const event of client.watch(resource, options)) this.#take(event);

    metrics?.watchEnded('closed');
    this.#silentSince = undefined;
    if (clock.now() - startedAt >= shortWatchMs) this.#heard();
    else await sleep(clock, this.#backoff.next(), signal);
  }

  #take(event: WatchEvent<T>): void {
    this.#heard();
    if (event.type === 'BOOKMARK') {
      this.#reached(event.resourceVersion);
      return;
    }
    this.#options.sink.apply(event.type, this.#options.transform(event.object));
    const { resourceVersion } = event.object.metadata;
    if (resourceVersion !== undefined) this.#reached(resourceVersion);
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, log, metrics } = this.#options;
    const watching = this.#version !== undefined;
    const end = endOf(error);
    if (watching) metrics?.watchEnded(end);
    // A server that does not even accept the watch is down.
    if (end !== 'silent' || !this.#isOpen) this.#silentSince = undefined;
    this.#failure = messageOf(error);
    if (isRefused(error)) this.#refusal = this.#failure;
    this.#options.sink.tried(watching ? 'watch' : 'list', error);

    // While nothing can be reached, the version stays good; every other failure may be caused by it.
    if (watching && end !== 'broken') this.#fruitless += 1;
    const again = isExpired(error) || this.#fruitless >= maxFruitless;
    if (again) {
      this.#version = undefined;
      this.#fruitless = 0;
    }
    const retryAfterMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const immediate = isExpired(error) && watching && this.#backoff.attempts === 0;
    const waitMs = Math.max(
      immediate ? this.#backoff.next() / 10 : this.#backoff.next(),
      this.#bounded(retryAfterMs),
    );
    const what = `${watching ? 'watching' : 'listing'} ${this.#name} failed; ${this.#version ? 'watching' : 'listing'} again`;
    log[end === 'expired' ? 'debug' : 'warn']({ error, waitMs: Math.round(waitMs) }, what);
    await sleep(clock, waitMs, signal);
  }

  /** A server may ask us to wait, but not for ever; spread, since it asks everybody the same. */
  #bounded(retryAfterMs: number): number {
    if (retryAfterMs <= 0) return 0;
    return Math.min(retryAfterMs, 60_000) * (1 + this.#random() / 4);
  }

  #reached(version: string): void {
    this.#version = version;
    this.#lastVersion = version;
  }

  #heard(): void {
    this.#moved();
    this.#silentSince = undefined;
    this.#fruitless = 0;
    this.#failure = undefined;
    this.#backoff.reset();
  }

  #moved(): void {
    this.#progressAt = this.#options.clock.now();
  }

  #silenceMs(): number {
    return this.#options.silenceMs ?? defaultSilenceMs;
  }
}

function endOf(error: unknown): WatchEnd {
  if (isExpired(error)) return 'expired';
  if (error instanceof ApiError) return 'rejected';
  if (error instanceof KubeError && error.code === kubeErrorCodes.timeout) return 'silent';
  return error instanceof KubeError && error.code === kubeErrorCodes.protocol ? 'rejected' : 'broken';
}
