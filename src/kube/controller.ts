// Workers that take keys from a queue and reconcile them. The contract is controller-runtime's: the key goes in, never the
// event; `{}` means done, `{ requeueAfterMs }` means look again then, and `{ requeue }` or a throw with backoff.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import { ApiError } from './errors.ts';
import type { ControllerMetrics, KubeMetrics, ReconcileResult } from './metrics.ts';
import { refOf } from './object.ts';
import { Workqueue } from './workqueue.ts';

/** A server may ask us to wait, but not for ever; the wait is spread, since it asks everybody the same. */
const maxRetryAfterMs = 60_000;

export interface Reconciled {
  /** Reconcile again after this long, even if nothing happens. */
  readonly requeueAfterMs?: number | undefined;
  /** Reconcile again soon, and later each time in a row: nothing failed, but what was read was outdated. */
  readonly requeue?: boolean | undefined;
}

/** Idempotent; reads caches; must end soon after the signal aborts. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Reconciled>;

export interface ControllerOptions {
  /** In metrics and logs. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeMetrics | undefined;
  /** Keys reconciled at once; default 1. */
  readonly workers?: number | undefined;
  readonly random?: (() => number) | undefined;
  /** See WorkqueueOptions. */
  readonly isUrgent?: ((key: string) => boolean) | undefined;
  /** The signal of a reconcile aborts after this; default 2 min. */
  readonly reconcileTimeoutMs?: number | undefined;
  /** A reconcile that still runs after this makes check() fail; default twice the timeout. */
  readonly stuckAfterMs?: number | undefined;
  readonly initialRetryMs?: number | undefined;
  readonly maxRetryMs?: number | undefined;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: Workqueue;
  readonly #metrics: ControllerMetrics | undefined;
  readonly #running = new Map<string, number>();
  readonly #stopping = new AbortController();
  #workers: readonly Promise<void>[] = [];
  #turn = Promise.resolve();

  constructor(options: ControllerOptions) {
    const { name, metrics, ...rest } = options;
    this.#options = options;
    this.#queue = new Workqueue({ ...rest, metrics: metrics?.queue(name) });
    this.#metrics = metrics?.controller(name);
    this.#metrics?.maxWorkers(options.workers ?? 1);
    this.#metrics?.activeWorkers(0);
  }

  get queue(): Workqueue {
    return this.#queue;
  }

  enqueue(key: string): void {
    this.#queue.add(key);
  }

  enqueueAfter(key: string, delayMs: number): void {
    this.#queue.addAfter(key, delayMs);
  }

  /** Starts the workers. Keys may be added before; nothing is reconciled until now. */
  start(): void {
    if (this.#workers.length > 0 || this.#stopping.signal.aborted) return;
    this.#workers = Array.from({ length: this.#options.workers ?? 1 }, () => this.#work());
  }

  /** Takes no more keys, aborts the signals of reconciles under way and resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`controller ${this.#options.name} is stopping`));
    this.#queue.shutdown();
    await Promise.all(this.#workers);
  }

  /** For /healthz: undefined, or which key a worker is stuck at. */
  check(): string | undefined {
    const {
      name,
      clock,
      reconcileTimeoutMs = 120_000,
      stuckAfterMs = 2 * reconcileTimeoutMs,
    } = this.#options;
    for (const [key, since] of this.#running) {
      const ms = clock.now() - since;
      if (ms > stuckAfterMs)
        return `a worker of controller ${name} has been at ${key} for ${Math.round(ms / 1000)} s`;
    }
    return undefined;
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.take();
      if (key === undefined) return;
      const startedAt = this.#options.clock.now();
      this.#running.set(key, startedAt);
      this.#metrics?.activeWorkers(this.#running.size);

      const result = await this.#reconcile(key);

      this.#running.delete(key);
      this.#metrics?.activeWorkers(this.#running.size);
      this.#metrics?.reconciled(result, this.#options.clock.now() - startedAt);
      this.#queue.done(key);
      await this.#nextTurn();
    }
  }

  /**
   * Reconciles that find nothing to do wait for nothing: a thousand of them in a row would hold up probes, the lease and
   * every request. So a turn of the event loop begins one.
   */
  async #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(async () => await nextTurn());
    await this.#turn;
  }

  async #reconcile(key: string): Promise<ReconcileResult> {
    const { clock, reconcileTimeoutMs = 120_000 } = this.#options;
    const deadline = new AbortController();
    const abort = () => {
      timer.cancel();
      deadline.abort(this.#stopping.signal.reason);
    };
    const timer = clock.after(reconcileTimeoutMs, () => {
      deadline.abort(new Error(`reconciling took longer than ${reconcileTimeoutMs} ms`));
    });
    this.#stopping.signal.addEventListener('abort', abort, { once: true });

    try {
      if (this.#stopping.signal.aborted) abort();
      const { requeueAfterMs, requeue } = await this.#options.reconcile(key, deadline.signal);
      if (requeue) {
        this.#queue.addRateLimited(key);
        return 'requeue';
      }
      this.#queue.forget(key);
      if (requeueAfterMs === undefined) return 'success';
      this.#queue.addAfter(key, requeueAfterMs);
      return 'requeue_after';
    } catch (error) {
      this.#failed(key, error);
      return 'error';
    } finally {
      timer.cancel();
      this.#stopping.signal.removeEventListener('abort', abort);
    }
  }

  #failed(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { random = Math.random } = this.#options;
    const askedMs = error instanceof ApiError ? Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs) : 0;
    this.#queue.addRateLimited(key, askedMs * (1 + random() / 4));
    const fields = { controller: this.#options.name, ...refOf(key), error };
    this.#options.log.warn(fields, `reconciling failed and will be tried again: ${messageOf(error)}`);
  }
}
