// Warnings that a flood of requests would repeat thousands of times a second.

import type { Clock } from '../common/clock.ts';

/** Says yes once, and again only when `ms` have passed. */
export function seldom(clock: Clock, ms: number): () => boolean {
  let saidAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.now() - saidAt < ms) return false;
    saidAt = clock.now();
    return true;
  };
}
