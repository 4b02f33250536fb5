// Delays that double from one attempt to the next, with jitter, a cap and a reset. Whoever retries owns one and calls reset once it has been healthy.

export interface BackoffOptions {
  /** First delay in milliseconds, before jitter. */
  readonly initialMs: number;
  /** No delay exceeds this, jitter included. */
  readonly maxMs: number;
  /** Returns a number in [0, 1); default Math.random. */
  readonly random?: () => number;
}

/** Fraction of a delay that is random: it is between half of it and all of it. */
const jitter = 0.5;

export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    if (!(options.initialMs > 0) || !(options.maxMs >= options.initialMs)) {
      throw new RangeError('backoff needs 0 < initialMs <= maxMs');
    }
    this.#options = { random: Math.random, ...options };
  }

  /** How many delays were handed out since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const { initialMs, maxMs, random } = this.#options;
    const full = Math.min(maxMs, initialMs * 2 ** Math.min(this.#attempts, 64));
    this.#attempts += 1;
    return full * (1 - jitter * random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
