// Records Events (events.k8s.io/v1) in the background: callers never wait and never fail. Events about one object are sent
// in order, the queue is bounded, repeats become a series, and what the API server does not want is dropped, logged, counted.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

import { randomBytes } from 'node:crypto';
import { inBackground } from '../common/background.ts';
import { Backoff } from '../common/backoff.ts';
import { type Clock, sleep, type Timer } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from './client.ts';
import { ApiError, isAlreadyExists, isNotFound, KubeError, kubeErrorCodes } from './errors.ts';
import { type EventDetails, EventSeries, type Series, seriesKey } from './event-series.ts';
import { microTime } from './lease-record.ts';
import type { KubeObject } from './object.ts';
import { resource } from './resource.ts';

export type { EventDetails } from './event-series.ts';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** A qualified name, like tunnels.example.com/manager. */
  readonly reportingController: string;
  /** This process, like its Pod's name. */
  readonly reportingInstance: string;
  readonly fieldManager: string;
  /** Events not yet sent; more are dropped. Default 4096: a thousand tunnels that come up at once, and some. */
  readonly maxQueue?: number | undefined;
  readonly maxSeries?: number | undefined;
  /** How often the counts of repeated Events are written; default 60 s. */
  readonly seriesIntervalMs?: number | undefined;
  /** Called for each Event that was given up. */
  readonly onDrop?: (() => void) | undefined;
  readonly random?: (() => number) | undefined;
}

export interface KubeEvent extends KubeObject {
  readonly eventTime?: string | undefined;
  readonly type?: string | undefined;
  readonly reason?: string | undefined;
  readonly action?: string | undefined;
  readonly note?: string | undefined;
  readonly regarding?: Readonly<Record<string, string | undefined>> | undefined;
  readonly reportingController?: string | undefined;
  readonly reportingInstance?: string | undefined;
  readonly series?: { readonly count: number; readonly lastObservedTime: string } | undefined;
}

export const events = resource<KubeEvent>({
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
});

/** One task of the sender. */
type Pending = { readonly type: 'create'; readonly event: KubeEvent; readonly series: Series } | Patch;
type Patch = { readonly type: 'count'; readonly series: Series };

/** Events about one object stay in one lane; so many are sent at once. */
interface Lane {
  readonly queue: Pending[];
  sending: Promise<void> | undefined;
}

const laneCount = 8;
const maxAttempts = 5;
const maxNoteBytes = 1024;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series: EventSeries;
  readonly #lanes: readonly Lane[] = Array.from({ length: laneCount }, () => ({
    queue: [],
    sending: undefined,
  }));
  readonly #stopping = new AbortController();
  #seriesTimer: Timer | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#series = new EventSeries({ maxSeries: options.maxSeries });
  }

  /** Events waiting to be sent. */
  get pending(): number {
    return this.#lanes.reduce((sum, { queue }) => sum + queue.length, 0);
  }

  /** Records an Event on the object, which carries kind, apiVersion and metadata. Never throws, never waits. */
  event(object: KubeObject, details: EventDetails): void {
    const { clock } = this.#options;
    if (this.#stopping.signal.aborted) return;
    const key = seriesKey(object, details);
    if (this.#series.repeat(key, clock.now(), clock.date())) {
      this.#scheduleCounts();
      return;
    }
    const event = this.#describe(object, details);
    const { name, namespace = 'default' } = event.metadata;
    const at = { lastAt: clock.now(), lastDate: clock.date() };
    const series: Series = { key, name, namespace, count: 1, reported: 1, ...at };
    if (this.#push({ type: 'create', event, series })) this.#series.begin(series);
  }

  /** Resolves when everything recorded so far was sent or dropped, or the signal aborts. */
  async flush(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = () => aborted.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    await Promise.race([this.#sent(), aborted.promise]);
    signal.removeEventListener('abort', onAbort);
  }

  /** Drops what is not sent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the event recorder is stopping'));
    this.#seriesTimer?.cancel();
    for (const { queue } of this.#lanes) queue.length = 0;
    await this.#sent();
  }

  async #sent(): Promise<void> {
    await Promise.all(this.#lanes.map(({ sending }) => sending));
  }

  #describe(object: KubeObject, details: EventDetails): KubeEvent {
    const { clock, reportingController, reportingInstance } = this.#options;
    const { name, namespace, uid } = object.metadata;
    // No resourceVersion: the Event is about the object, not about one version of it.
    const regarding = { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid };
    return {
      metadata: {
        name: `${name.slice(0, 230)}.${randomBytes(8).toString('hex')}`,
        namespace: namespace ?? 'default',
      },
      eventTime: microTime(clock.date()),
      type: details.type,
      reason: details.reason.slice(0, 128),
      action: details.action.slice(0, 128),
      note: cut(details.note, maxNoteBytes),
      regarding,
      reportingController,
      reportingInstance: reportingInstance.slice(0, 128),
    };
  }

  #push(pending: Pending): boolean {
    const { log, maxQueue = 4096 } = this.#options;
    if (this.pending >= maxQueue) {
      this.#drop(pending, 'the queue is full');
      return false;
    }
    const lane = this.#laneOf(pending.series);
    lane.queue.push(pending);
    if (!lane.sending) {
      const sending = this.#drain(lane).finally(() => {
        lane.sending = undefined;
      });
      lane.sending = sending;
      inBackground(log, 'sending events', () => sending);
    }
    return true;
  }

  /** Event names begin with their object's, so what is said about one object always meets in one lane. */
  #laneOf({ namespace, name }: Series): Lane {
    let hash = 0;
    for (const letter of `${namespace}/${name.replace(/\.[0-9a-f]{16}$/, '')}`)
      hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
    return this.#lanes[hash % laneCount] ?? { queue: [], sending: undefined };
  }

  async #drain(lane: Lane): Promise<void> {
    // One turn later, so that `sending` is set before the first send can end.
    await Promise.resolve();
    for (let next = lane.queue.shift(); next; next = lane.queue.shift()) {
      if (this.#stopping.signal.aborted) return;
      await this.#send(next);
    }
  }

  async #send(pending: Pending): Promise<void> {
    const { clock, random = Math.random } = this.#options;
    const backoff = new Backoff({ initialMs: 200, maxMs: 10_000, random });
    for (let attempt = 1; ; attempt += 1) {
      try {
        await (pending.type === 'create' ? this.#create(pending.event) : this.#count(pending.series));
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (attempt >= maxAttempts || !isTransient(error)) {
          this.#series.end(pending.series.key);
          this.#drop(pending, messageOf(error));
          return;
        }
        const retryAfterMs = error instanceof ApiError ? Math.min(error.retryAfterMs ?? 0, 30_000) : 0;
        await sleep(clock, Math.max(backoff.next(), retryAfterMs), this.#stopping.signal).catch(() => {});
      }
    }
  }

  async #create(event: KubeEvent): Promise<void> {
    const { client, fieldManager } = this.#options;
    try {
      await client.create(events, event, { fieldManager, signal: this.#stopping.signal });
    } catch (error) {
      // The answer to an earlier attempt got lost.
      if (!isAlreadyExists(error)) throw error;
    }
  }

  async #count(series: Series): Promise<void> {
    const { client, fieldManager } = this.#options;
    const { namespace, name, count, lastDate } = series;
    const patch = { series: { count, lastObservedTime: microTime(lastDate) } };
    try {
      await client.mergePatch(events, { namespace, name }, patch, {
        fieldManager,
        signal: this.#stopping.signal,
      });
      series.reported = count;
    } catch (error) {
      // The API server forgets Events after an hour: the next one is a new one.
      if (!isNotFound(error)) throw error;
      this.#series.end(series.key);
    }
  }

  #scheduleCounts(): void {
    const { clock, seriesIntervalMs = 60_000 } = this.#options;
    this.#seriesTimer ??= clock.after(
      seriesIntervalMs,
      () => {
        this.#seriesTimer = undefined;
        const pushed = this.#series.unreported().map((series) => this.#push({ type: 'count', series }));
        if (pushed.includes(false)) this.#scheduleCounts();
      },
      { unref: true },
    );
  }

  #drop(pending: Pending, why: string): void {
    const { log, onDrop } = this.#options;
    const about = pending.type === 'create' ? pending.event.regarding : { name: pending.series.name };
    log.warn({ namespace: pending.series.namespace, name: about?.name, why }, 'dropped an event');
    onDrop?.();
  }
}

function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status >= 500;
  return error instanceof KubeError && error.code !== kubeErrorCodes.gated;
}

/** At most so many bytes of UTF-8, never half a character. */
function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text).subarray(0, maxBytes - 3);
  return `${new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replace(/\uFFFD+$/, '')}…`;
}
