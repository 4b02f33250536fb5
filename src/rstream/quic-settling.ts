// Whether what a connection has sent has arrived. quiche knows and does not tell; but when it waits for no acknowledgement, its
// next timer is the one that ends an idle connection. It may believe so too early, as it takes acknowledged packets that count for
// nothing off what is under way, and then it does not look for what is missing either. So PINGs follow, so many that what came before
// them is either acknowledged with them or found missing, and only if nothing was missing then, all has arrived. A
// connection that always has something under way gives no such moment: there, what is lost has been found missing and sent again
// after a few of the times in which quiche sends again.

import type { Clock, Timer } from '../common/clock.ts';
import type { NativeConnection } from './quic-native.ts';

export interface QuicSettlingOptions {
  readonly native: Pick<NativeConnection, 'timeout' | 'stats'>;
  readonly clock: Clock;
  /** What our end of the connection asked for. */
  readonly idleTimeoutMs: number;
  /** Sends a packet that the peer has to acknowledge. */
  readonly ping: () => void;
}

interface Waiting {
  readonly until: number;
  readonly settled: () => void;
  /** How many packets had been lost when the last PING was sent for it. */
  lost: number | undefined;
}

/** Times in which quiche sends again what is missing. */
const rounds = 3;
/** A packet is missing when one was acknowledged that was sent three packets later (RFC 9002, section 6.1.1). */
const pingsAtOnce = 4;
const firstPauseMs = 100;
const longestPauseMs = 2_000;
/** Between a timer for something lost and the one for an idle connection. */
const marginMs = 1_000;
const shortestRoundMs = 20;
const longestRoundMs = 1_000;

export class QuicSettling {
  readonly #options: QuicSettlingOptions;
  #waiting: Waiting[] = [];
  #idleMs: number | undefined;
  #timer: Timer | undefined;
  #pauseMs = firstPauseMs;

  constructor(options: QuicSettlingOptions) {
    this.#options = options;
  }

  get awaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether nothing seems to be under way. `silentMs`: since the peer's last packet. */
  isQuiet(silentMs: number): boolean {
    const timeout = this.#options.native.timeout();
    const idleMs = this.#idleTimeout();
    return timeout !== null && silentMs < idleMs / 2 && timeout >= idleMs - silentMs - marginMs;
  }

  /** Calls back once everything sent so far has arrived. Never, when the connection ends before. */
  wait(silentMs: number, settled: () => void): void {
    const { native, clock } = this.#options;
    const roundMs = Math.min(Math.max(native.timeout() ?? 0, shortestRoundMs), longestRoundMs);
    this.#waiting.push({ until: clock.now() + rounds * roundMs, settled, lost: undefined });
    if (this.isQuiet(silentMs)) this.#ping();
    this.#arm();
  }

  /** To be called when packets of the peer have been taken in, or may have been. */
  look(silentMs: number): void {
    const heardAt = this.#options.clock.now() - silentMs;
    const quiet = this.isQuiet(silentMs);
    const { lost } = this.#options.native.stats();
    const over = this.#waiting.filter((each) => (quiet && each.lost === lost) || each.until <= heardAt);
    this.#waiting = this.#waiting.filter((each) => !over.includes(each));
    if (quiet && this.awaited) this.#ping();
    if (!this.awaited) this.stop();
    for (const { settled } of over) settled();
  }

  /** The connection has ended, or nobody waits. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pauseMs = firstPauseMs;
  }

  #arm(): void {
    this.#timer ??= this.#options.clock.after(this.#pauseMs, () => {
      this.#timer = undefined;
      this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
      this.#ping();
      this.#arm();
    });
  }

  #ping(): void {
    const { lost } = this.#options.native.stats();
    for (const each of this.#waiting) each.lost = lost;
    for (let count = 0; count < pingsAtOnce; count += 1) this.#options.ping();
  }

  #idleTimeout(): number {
    const { native, idleTimeoutMs } = this.#options;
    this.#idleMs ??= Math.min(idleTimeoutMs, native.stats().peerMaxIdleTimeout || idleTimeoutMs);
    return this.#idleMs;
  }
}
