// One place where an operation gets its time: the work's signal aborts at the deadline or when the caller gives up.

import type { Clock } from '../common/clock.ts';
import { OperationTimeoutError } from './errors.ts';

export interface Deadline {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Noun phrase for the error: "opening the tunnel". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work`, which must reject with its signal's reason once that aborts: an OperationTimeoutError at the deadline,
 * the caller's own reason before it.
 */
export async function withDeadline<T>(
  { clock, timeoutMs, what, signal }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const giveUp = () => controller.abort(signal?.reason);
  const timer = clock.after(timeoutMs, () => controller.abort(new OperationTimeoutError(what, timeoutMs)));
  signal?.addEventListener('abort', giveUp, { once: true });

  try {
    return await work(controller.signal);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', giveUp);
  }
}
