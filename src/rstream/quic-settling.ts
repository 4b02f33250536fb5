// Whether what a connection has sent has arrived. quiche knows and does not tell; but when it waits for no acknowledgement, its
// next timer is the one that ends an idle connection. A connection that always has something under way gives no such moment:
// there, what is lost has been found missing and sent again after a few of the times in which quiche sends again.

import type { Clock } from '../common/clock.ts';
import type { NativeConnection } from './quic-native.ts';

export interface QuicSettlingOptions {
  readonly native: Pick<NativeConnection, 'timeout' | 'stats'>;
  readonly clock: Clock;
  /** What our end of the connection asked for. */
  readonly idleTimeoutMs: number;
}

interface Waiting {
  readonly until: number;
  readonly settled: (certain: boolean) => void;
}

/** Times in which quiche sends again what is missing. */
const rounds = 3;
/** Between a timer for something lost and the one for an idle connection. */
const marginMs = 1_000;
const shortestRoundMs = 20;
const longestRoundMs = 1_000;

export class QuicSettling {
  readonly #options: QuicSettlingOptions;
  #waiting: Waiting[] = [];
  #idleMs: number | undefined;

  constructor(options: QuicSettlingOptions) {
    this.#options = options;
  }

  get awaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether everything sent has arrived. `silentMs`: since the peer's last packet. */
  isQuiet(silentMs: number): boolean {
    const timeout = this.#options.native.timeout();
    const idleMs = this.#idleTimeout();
    return timeout !== null && silentMs < idleMs / 2 && timeout >= idleMs - silentMs - marginMs;
  }

  /** Calls back once everything sent so far has arrived: `certain`, or as good as certain. Never, when the connection ends before. */
  wait(settled: (certain: boolean) => void): void {
    const { native, clock } = this.#options;
    const roundMs = Math.min(Math.max(native.timeout() ?? 0, shortestRoundMs), longestRoundMs);
    this.#waiting.push({ until: clock.now() + rounds * roundMs, settled });
  }

  /** To be called when packets of the peer have been taken in, or may have been. */
  look(silentMs: number): void {
    const certain = this.isQuiet(silentMs);
    const heardAt = this.#options.clock.now() - silentMs;
    const over = this.#waiting.filter(({ until }) => certain || until <= heardAt);
    this.#waiting = this.#waiting.filter((waiting) => !over.includes(waiting));
    for (const { settled } of over) settled(certain);
  }

  #idleTimeout(): number {
    const { native, idleTimeoutMs } = this.#options;
    this.#idleMs ??= Math.min(idleTimeoutMs, native.stats().peerMaxIdleTimeout || idleTimeoutMs);
    return this.#idleMs;
  }
}
