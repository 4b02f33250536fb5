// Nobody hears that a connection breaks off which is not read from: because the other side takes nothing, or because it has
// ended already. So the system is asked, once a minute. An end is none of its business: only what broke off is given up, and
// only when nothing has moved since the last time.

import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../common/clock.ts';
import { TransportError } from './errors.ts';
import { property } from './property.ts';

export interface Direction {
  readonly source: Duplex;
  readonly sink: Duplex;
}

export const STALL_WATCH_MS = 60_000;

export class StallWatch {
  readonly #clock: Clock;
  /** Each with what the sink had been given the last time. */
  readonly #directions = new Map<Direction, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Destroys the source when it has broken off and the sink was given nothing. Returns how to stop watching. */
  add(direction: Direction): () => void {
    this.#directions.set(direction, Number.NaN);
    this.#timer ??= this.#clock.after(STALL_WATCH_MS, () => this.#look());
    return () => {
      this.#directions.delete(direction);
      if (this.#directions.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  #look(): void {
    this.#timer = this.#clock.after(STALL_WATCH_MS, () => this.#look());
    for (const [direction, before] of this.#directions) {
      const { source, sink } = direction;
      const given = bytesWritten(sink);
      this.#directions.set(direction, given);
      // Where both sides have ended, a connection that is over is as it should be.
      if (given !== before || source.writableEnded || !brokenOff(source)) continue;
      source.destroy(new TransportError('the connection broke off while nobody read from it'));
    }
  }
}

function bytesWritten(sink: Duplex): number {
  const bytes = property(sink, 'bytesWritten');
  return typeof bytes === 'number' ? bytes : 0;
}

/** A connection that was reset, or given up by the system, has no other end any more. One that has just ended still does. */
export function brokenOff(stream: Duplex): boolean {
  const handle = property(stream, '_handle');
  const getPeerName = property(handle, 'getpeername');
  if (typeof getPeerName !== 'function') return false;
  const failure: unknown = getPeerName.call(handle, {});
  return typeof failure === 'number' && failure < 0;
}
