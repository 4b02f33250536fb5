// Which Events say the same: a repeated Event counts up a series instead of becoming another object. Pure bookkeeping with a
// bound and an expiry; client-go's correlator is the model, but the note belongs to the key, so that no new text is hidden.

import type { KubeObject } from './object.ts';

export interface EventDetails {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, why. */
  readonly reason: string;
  /** CamelCase, what was done or tried. */
  readonly action: string;
  /** A sentence, cut to 1024 bytes. */
  readonly note: string;
}

export interface Series {
  readonly key: string;
  /** The Event object, once it was created. */
  name: string;
  namespace: string;
  count: number;
  /** What the API server was last told. */
  reported: number;
  lastAt: number;
  lastDate: Date;
}

/** An Event not repeated for this long starts anew. */
const expiryMs = 6 * 60_000;

export interface EventSeriesOptions {
  /** How many different Events are remembered; default 2048. */
  readonly maxSeries?: number | undefined;
}

export class EventSeries {
  readonly #max: number;
  /** Least recently repeated first. */
  readonly #series = new Map<string, Series>();

  constructor(options: EventSeriesOptions = {}) {
    this.#max = options.maxSeries ?? 2048;
  }

  get size(): number {
    return this.#series.size;
  }

  /** The series the Event continues, counted up, or undefined when it is a new one. */
  repeat(key: string, now: number, date: Date): Series | undefined {
    this.#expire(now);
    const series = this.#series.get(key);
    if (!series) return undefined;
    series.count += 1;
    series.lastAt = now;
    series.lastDate = date;
    this.#series.delete(key);
    this.#series.set(key, series);
    return series;
  }

  begin(series: Series): void {
    this.#series.set(series.key, series);
    if (this.#series.size <= this.#max) return;
    for (const oldest of this.#series.keys()) {
      this.#series.delete(oldest);
      break;
    }
  }

  end(key: string): void {
    this.#series.delete(key);
  }

  /** Series whose count grew since it was last reported. */
  unreported(): readonly Series[] {
    return [...this.#series.values()].filter((series) => series.count > series.reported);
  }

  #expire(now: number): void {
    for (const [key, series] of this.#series) {
      if (now - series.lastAt < expiryMs) return;
      this.#series.delete(key);
    }
  }
}

export function seriesKey(object: KubeObject, details: EventDetails): string {
  const { kind, metadata } = object;
  const { type, reason, action, note } = details;
  const identity = metadata.uid ?? `${metadata.namespace ?? ''}/${metadata.name}`;
  return JSON.stringify([kind, identity, type, reason, action, note]);
}
