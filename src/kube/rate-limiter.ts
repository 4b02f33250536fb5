// A client-side rate limit: a token bucket whose waiters are served in order. Nobody is refused, everybody may give up.

import type { Clock, Timer } from '../common/clock.ts';

export interface RateLimiterOptions {
  /** Requests per second in the long run. */
  readonly qps: number;
  /** How many may go at once after a quiet time. */
  readonly burst: number;
  readonly clock: Clock;
}

interface Waiter {
  readonly resolve: () => void;
}

export class RateLimiter {
  readonly #qps: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #tokens: number;
  #refilledAt: number;
  #timer: Timer | undefined;

  constructor(options: RateLimiterOptions) {
    if (!(options.qps > 0) || !(options.burst >= 1))
      throw new RangeError('a rate limit needs qps > 0 and burst >= 1');
    this.#qps = options.qps;
    this.#burst = options.burst;
    this.#clock = options.clock;
    this.#tokens = options.burst;
    this.#refilledAt = options.clock.now();
  }

  /** How many callers wait for their turn. Each belongs to a call under way, so workers bound it. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Resolves when the caller may send one request; rejects with the signal's reason, using no token. */
  acquire(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#refill();
    if (this.#waiters.size === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        this.#schedule();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#schedule();
    });
  }

  #refill(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#refilledAt) * this.#qps) / 1000);
    this.#refilledAt = now;
  }

  #schedule(): void {
    if (this.#waiters.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    if (this.#timer) return;
    const delayMs = Math.max(1, Math.ceil(((1 - this.#tokens) * 1000) / this.#qps));
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#serve();
    });
  }

  #serve(): void {
    this.#refill();
    for (const waiter of this.#waiters) {
      if (this.#tokens < 1) break;
      this.#tokens -= 1;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    this.#schedule();
  }
}
