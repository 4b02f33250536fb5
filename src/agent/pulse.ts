// Whether the agent itself is alive, for /healthz: something must have happened within a minute (a heartbeat sent, a
// connection attempt), or a timer must be due that will make it happen. The engine's health plays no part.

import type { Clock } from '../common/clock.ts';

const stuckAfterMs = 60_000;

export class Pulse {
  readonly #clock: Clock;
  #last: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.now();
  }

  /** Something happened. */
  beat(): void {
    this.#last = Math.max(this.#last, this.#clock.now());
  }

  /** Nothing will happen for the next `ms`, on purpose. */
  rest(ms: number): void {
    this.#last = Math.max(this.#last, this.#clock.now() + ms);
  }

  /** A sentence when the agent is stuck. */
  failure(): string | undefined {
    const silentMs = this.#clock.now() - this.#last;
    if (silentMs < stuckAfterMs) return undefined;
    return `the agent is stuck: no heartbeat, no connection attempt and no retry for ${Math.round(silentMs / 1000)} s`;
  }
}
