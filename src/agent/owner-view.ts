// What is known of the tunnel's owner, read from the live status as often as somebody asks: whoever waits for the engine to let
// go of a name is never held up by a slow API server, and an unreadable status leaves the last known one standing.

import { type Clock, sleep } from '../common/clock.ts';
import type { LiveOwner } from './handover.ts';

export interface OwnerViewOptions {
  /** Undefined when the status cannot be read. */
  readonly read: (signal: AbortSignal) => Promise<LiveOwner | undefined>;
  readonly clock: Clock;
}

/** How long an answer is waited for once something is known. */
const patienceMs = 50;

export class OwnerView {
  readonly #options: OwnerViewOptions;
  #known: LiveOwner | undefined;
  #reading: Promise<void> | undefined;
  #asked = false;

  constructor(options: OwnerViewOptions) {
    this.#options = options;
  }

  /** Waits for the answer the first time, and hardly at all later. Never rejects. */
  async look(signal: AbortSignal): Promise<LiveOwner | undefined> {
    const late = this.#reading !== undefined;
    this.#reading ??= this.#read(signal);
    if (!this.#asked) await this.#reading;
    else if (!late) await this.#briefly(this.#reading);
    this.#asked = true;
    return this.#known;
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      this.#known = (await this.#options.read(signal)) ?? this.#known;
    } catch {
      // As good as unreadable.
    } finally {
      this.#reading = undefined;
    }
  }

  async #briefly(work: Promise<void>): Promise<void> {
    const done = new AbortController();
    const timeUp = sleep(this.#options.clock, patienceMs, done.signal).catch(() => undefined);
    await Promise.race([work, timeUp]);
    done.abort();
  }
}
