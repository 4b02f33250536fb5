// Exponential backoff with jitter, a cap and a reset. Whoever retries owns one and calls reset once it has been healthy.

export interface BackoffOptions {
  /** First delay in milliseconds, before jitter. */
  readonly initialMs: number;
  /** No delay exceeds this, jitter included. */
  readonly maxMs: number;
  /** Each further delay is the one before times this; default 2. */
  readonly factor?: number;
  /** Fraction of the delay that is random, 0 to 1: 0.5 means between half of it and all of it. Default 0.5. */
  readonly jitter?: number;
  /** Returns a number in [0, 1); default Math.random. */
  readonly random?: () => number;
}

export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    if (!(options.initialMs > 0) || !(options.maxMs >= options.initialMs)) {
      throw new RangeError('backoff needs 0 < initialMs <= maxMs');
    }
    this.#options = { factor: 2, jitter: 0.5, random: Math.random, ...options };
  }

  /** How many delays were handed out since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const { initialMs, maxMs, factor, jitter, random } = this.#options;
    const full = Math.min(maxMs, initialMs * factor ** Math.min(this.#attempts, 64));
    this.#attempts += 1;
    return full * (1 - jitter * random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
