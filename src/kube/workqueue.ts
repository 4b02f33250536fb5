// A queue of keys with the guarantees of client-go's: a key is queued once, never worked on twice at the same time, and
// queued again if it was added while it was worked on. Retries back off per key until the key is forgotten.

import { Backoff } from '../common/backoff.ts';
import type { Clock, Timer } from '../common/clock.ts';
import type { QueueMetrics } from './metrics.ts';

export interface WorkqueueOptions {
  readonly clock: Clock;
  readonly random?: (() => number) | undefined;
  readonly metrics?: QueueMetrics | undefined;
  /** Whether somebody waits for this key, who should not wait for all that came before; default: nobody does. */
  readonly isUrgent?: ((key: string) => boolean) | undefined;
  /** First retry delay; default 100 ms. */
  readonly initialRetryMs?: number | undefined;
  /** Cap of the retry delay; default 5 min. */
  readonly maxRetryMs?: number | undefined;
}

/** What a timer can wait (25 days); a longer delay ends early, which costs one reconcile. */
const maxDelayMs = 2 ** 31 - 1;

interface Delayed {
  readonly due: number;
  readonly timer: Timer;
}

type Taker = (key: string | undefined) => void;

/** Keys are bounded by the objects they name: every collection here holds each at most once. */
export class Workqueue {
  readonly #options: WorkqueueOptions;
  /** Waiting for a worker, oldest first, with the time each was added. */
  readonly #waiting = new Map<string, number>();
  /** Of those, the urgent ones. Every second key taken is one of them, so that neither starves the other. */
  readonly #urgent = new Set<string>();
  #wasUrgent = false;
  /** Worked on, with the time each was taken. */
  readonly #active = new Map<string, number>();
  /** Added while worked on, with the time of it: queued again when done. */
  readonly #again = new Map<string, number>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #takers = new Set<Taker>();
  #stopped = false;

  constructor(options: WorkqueueOptions) {
    this.#options = options;
    options.metrics?.observeUnfinished(() => [...this.#active.values()].map((since) => this.#now() - since));
  }

  /** Keys waiting for a worker, delayed ones not counted. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** Age in milliseconds of the oldest key that waits for a worker, 0 when none does. */
  get oldestWaitMs(): number {
    const [first] = this.#waiting.values();
    return first === undefined ? 0 : this.#now() - first;
  }

  /** How many keys are being retried with backoff. */
  get retrying(): number {
    return this.#backoffs.size;
  }

  /** Queues the key now, ahead of any delay it waits for. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#cancelDelay(key);
    if (this.#waiting.has(key)) this.#noteUrgency(key);
    if (this.#waiting.has(key) || this.#again.has(key)) return;

    this.#options.metrics?.added();
    if (this.#active.has(key)) {
      this.#again.set(key, this.#now());
      return;
    }
    this.#enqueue(key, this.#now());
  }

  /** Queues the key after a delay; the earlier of several delays wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    if (!(delayMs > 0)) {
      this.add(key);
      return;
    }
    const due = this.#now() + delayMs;
    const earlier = this.#delayed.get(key);
    if (this.#waiting.has(key) || (earlier && earlier.due <= due)) return;

    earlier?.timer.cancel();
    const timer = this.#options.clock.after(Math.min(delayMs, maxDelayMs), () => this.add(key));
    this.#delayed.set(key, { due, timer });
  }

  /** Queues the key after its own backoff, which grows until forget(key); waits at least `atLeastMs`. */
  addRateLimited(key: string, atLeastMs = 0): void {
    if (this.#stopped) return;
    let backoff = this.#backoffs.get(key);
    if (!backoff) {
      const { initialRetryMs = 100, maxRetryMs = 300_000, random = Math.random } = this.#options;
      backoff = new Backoff({ initialMs: initialRetryMs, maxMs: maxRetryMs, random });
      this.#backoffs.set(key, backoff);
    }
    this.#options.metrics?.retried();
    this.addAfter(key, Math.max(atLeastMs, backoff.next()));
  }

  /** Resets the key's backoff. */
  forget(key: string): void {
    this.#backoffs.delete(key);
  }

  /** The next key, to be given back with done(key); undefined once the queue is shut down or the signal aborts. */
  take(signal?: AbortSignal): Promise<string | undefined> {
    if (this.#stopped || signal?.aborted) return Promise.resolve(undefined);
    const next = this.#next();
    if (next !== undefined) return Promise.resolve(this.#start(next));

    return new Promise((resolve) => {
      const taker: Taker = (key) => {
        signal?.removeEventListener('abort', onAbort);
        resolve(key);
      };
      const onAbort = () => {
        this.#takers.delete(taker);
        resolve(undefined);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#takers.add(taker);
    });
  }

  /** Ends the work on a key taken; queues it again if it was added meanwhile. */
  done(key: string): void {
    const since = this.#active.get(key);
    if (since === undefined) return;
    this.#active.delete(key);
    this.#options.metrics?.worked(this.#now() - since);

    const addedAt = this.#again.get(key);
    if (addedAt === undefined) return;
    this.#again.delete(key);
    this.#enqueue(key, addedAt);
  }

  /** Drops everything that waits; takers get undefined, later adds do nothing. Work under way is not interrupted. */
  shutdown(): void {
    this.#stopped = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#urgent.clear();
    this.#again.clear();
    this.#backoffs.clear();
    this.#options.metrics?.depth(0);
    for (const taker of this.#takers) taker(undefined);
    this.#takers.clear();
  }

  #enqueue(key: string, addedAt: number): void {
    if (this.#stopped) return;
    this.#waiting.set(key, addedAt);
    this.#noteUrgency(key);
    this.#options.metrics?.depth(this.#waiting.size);
    const [taker] = this.#takers;
    if (!taker) return;
    this.#takers.delete(taker);
    taker(this.#start(key));
  }

  #noteUrgency(key: string): void {
    if (this.#options.isUrgent?.(key)) this.#urgent.add(key);
  }

  #next(): string | undefined {
    const [oldest] = this.#waiting.keys();
    const [urgent] = this.#urgent;
    return this.#wasUrgent ? oldest : (urgent ?? oldest);
  }

  #start(key: string): string {
    const now = this.#now();
    this.#wasUrgent = this.#urgent.delete(key);
    this.#options.metrics?.waited(now - (this.#waiting.get(key) ?? now));
    this.#waiting.delete(key);
    this.#active.set(key, now);
    this.#options.metrics?.depth(this.#waiting.size);
    return key;
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
