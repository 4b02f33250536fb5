// A Clock whose hands the test turns: `await clock.advance(1000)` runs every timer that falls due, in order.

import type { Clock, Timer } from '../../src/common/clock.ts';

interface Entry {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  readonly #start = Date.parse('2026-01-01T00:00:00Z');
  #now = 0;
  #order = 0;
  #entries: Entry[] = [];

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(this.#start + this.#now);
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry = { due: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#entries.push(entry);
    return {
      cancel: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  /** Timers not yet run or cancelled. */
  get pending(): number {
    return this.#entries.length;
  }

  /** Delay until the next timer, or undefined when there is none. */
  get nextDelayMs(): number | undefined {
    return this.#next()?.due === undefined ? undefined : (this.#next()?.due ?? 0) - this.#now;
  }

  /** Moves time forward, letting promises settle before and after each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(); next && next.due <= end; next = this.#next()) {
      this.#now = next.due;
      this.#entries = this.#entries.filter((entry) => entry !== next);
      next.callback();
      await settle();
    }
    this.#now = end;
  }

  #next(): Entry | undefined {
    return this.#entries.toSorted((a, b) => a.due - b.due || a.order - b.order)[0];
  }
}

/** Lets everything that is ready run: two turns of the event loop. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
