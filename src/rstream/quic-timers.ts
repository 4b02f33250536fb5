// When a QUIC connection must act without being spoken to: quiche's own timeout, and a PING while streams are in use.

import type { Clock, Timer } from '../common/clock.ts';
import type { NativeConnection } from './quic-native.ts';

const keepAliveMs = 10_000;
const maxDelayMs = 2 ** 31 - 1;

export interface QuicTimersOptions {
  readonly native: NativeConnection;
  readonly clock: Clock;
  /** quiche has something to say or to end. */
  readonly due: () => void;
}

export class QuicTimers {
  readonly #options: QuicTimersOptions;
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #keepAlive: Timer | undefined;

  constructor(options: QuicTimersOptions) {
    this.#options = options;
  }

  /** To be called whenever quiche's timeout may have changed. A timer that fires early looks again: most move later. */
  arm(): void {
    const { native, clock } = this.#options;
    const delay = native.timeout();
    if (delay === null) {
      this.#cancel();
      return;
    }
    const dueAt = clock.now() + delay;
    if (this.#timer && this.#dueAt <= dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = clock.after(Math.min(delay, maxDelayMs), () => this.#fired());
  }

  /** Sends a PING every 10 s from now on. */
  keepAlive(): void {
    const { native, clock, due } = this.#options;
    this.#keepAlive ??= clock.after(keepAliveMs, () => {
      this.#keepAlive = undefined;
      native.sendAckEliciting();
      due();
      this.keepAlive();
    });
  }

  letSleep(): void {
    this.#keepAlive?.cancel();
    this.#keepAlive = undefined;
  }

  stop(): void {
    this.#cancel();
    this.letSleep();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fired(): void {
    const { native, due } = this.#options;
    this.#timer = undefined;
    // Does nothing when the time has not come.
    native.onTimeout();
    due();
  }
}
