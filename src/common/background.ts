// Work nobody awaits: started through one helper, so that a failure is logged and never an unhandled rejection.

import type { Logger } from './logging.ts';

/** Starts `work` without awaiting it. Rejections are logged as `<what> failed`; aborts of `signal` are not. */
export function inBackground(
  log: Logger,
  what: string,
  work: () => Promise<unknown>,
  signal?: AbortSignal,
): void {
  const failed = (error: unknown) => {
    if (signal?.aborted) return;
    log.error({ error }, `${what} failed`);
  };

  try {
    work().catch(failed);
  } catch (error) {
    failed(error);
  }
}
