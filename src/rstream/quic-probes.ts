// PINGs where something sent last may be lost. quiche looks for that itself after a few round trips, but its idea of one is far
// too long on a connection that has lost much: with a small congestion window it dates packets back, by its pacer's clock, and
// so measures seconds where there are milliseconds. Packets acknowledged behind a lost one show it at once.

import type { Clock, Timer } from '../common/clock.ts';

export interface QuicProbesOptions {
  readonly clock: Clock;
  /** Since the peer's last packet. */
  readonly silentMs: () => number;
  /** Whether nothing is under way. */
  readonly isQuiet: () => boolean;
  /** Sends so many packets that the peer has to acknowledge that one missing before them is noticed. */
  readonly ping: () => void;
}

/** More than a round trip nearly everywhere; where it is not, PINGs cost little. */
const firstPauseMs = 250;
const longestPauseMs = 2_000;

export class QuicProbes {
  readonly #options: QuicProbesOptions;
  #timer: Timer | undefined;
  #pauseMs = firstPauseMs;

  constructor(options: QuicProbesOptions) {
    this.#options = options;
  }

  /** To be called whenever packets may have been sent. */
  watch(): void {
    if (!this.#timer) this.#arm(firstPauseMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const { silentMs, isQuiet, ping } = this.#options;
    this.#timer = undefined;
    const silent = silentMs();
    const quiet = isQuiet();
    if (quiet || silent < firstPauseMs) this.#pauseMs = firstPauseMs;
    if (quiet) return;
    if (silent < this.#pauseMs) {
      this.#arm(this.#pauseMs - silent);
      return;
    }
    ping();
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
    this.#arm(this.#pauseMs);
  }

  #arm(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => this.#look());
  }
}
