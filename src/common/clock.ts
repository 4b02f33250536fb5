// Time as an argument: everything that waits takes a Clock, so that tests turn the hands themselves.

/** A pending callback; `cancel` is idempotent and may be called after the callback ran. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** Wall-clock time, for timestamps people and other machines read. */
  date(): Date;
  /** Runs `callback` once, no earlier than `delayMs` from now. The timer keeps the process alive unless `unref`. */
  after(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer;
}

/** Node delays above this fire at once (a signed 32-bit millisecond count), so longer waits are refused. */
const maxDelayMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after(delayMs, callback, options) {
    if (!(delayMs <= maxDelayMs))
      throw new RangeError(`a timer can wait at most ${maxDelayMs} ms, not ${delayMs}`);
    const handle = setTimeout(callback, Math.max(0, delayMs));
    if (options?.unref) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts, leaving no timer behind. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
