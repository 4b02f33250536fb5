// The end of a stream on which nothing moves any more: neither side sends, or neither side reads.

import type { Clock, Timer } from '../common/clock.ts';

export interface IdleDeadline {
  /** Something moved; costs next to nothing. */
  moved(): void;
  cancel(): void;
}

/** Calls `idle` once nothing has moved for `idleMs`, unless it is cancelled before. */
export function idleDeadline(clock: Clock, idleMs: number, idle: () => void): IdleDeadline {
  let movedAt = clock.now();
  let timer: Timer = clock.after(idleMs, check);

  function check(): void {
    const leftMs = movedAt + idleMs - clock.now();
    if (leftMs <= 0) idle();
    else timer = clock.after(leftMs, check);
  }

  return {
    moved: () => {
      movedAt = clock.now();
    },
    cancel: () => timer.cancel(),
  };
}
