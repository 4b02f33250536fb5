// Before a connection is aborted: an abort takes along whatever the other machine has not received, so what was written gets
// time to arrive, as long as it gets anywhere.

import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../common/clock.ts';
import { QuicStream } from './quic-stream.ts';
import { ports, type SocketTable } from './socket-table.ts';

export interface LastBytesOptions {
  readonly stream: Duplex;
  /** Whether bytes wait that the system has not taken yet. */
  readonly unwritten: () => boolean;
  readonly table: SocketTable;
  readonly clock: Clock;
}

/** Nothing got any further for so long: the other side does not read. */
const patienceMs = 5_000;
/** However slowly it reads. */
const mostMs = 60_000;
/** Where nobody knows what has arrived (TLS within TLS, no table), what the system has taken gets so long. */
const blindMs = 1_000;
/**
 * Over QUIC an abort takes along what has arrived and is unread. A reader tells of itself in steps of a quarter or half of its
 * window, and of the last step never: one that owes a step gets so long, and the last one so many times the longest before.
 */
const patienceForStepMs = 20_000;
const stepsToWait = 2;
const firstLookMs = 20;
const lastLookMs = 500;

/** Resolves once what was written has arrived, cannot be waited for any longer, or the stream is closed. Never rejects. */
export async function lastBytes(options: LastBytesOptions): Promise<void> {
  const { stream } = options;
  const closed = new AbortController();
  const onClose = () => closed.abort();
  stream.once('close', onClose);
  if (stream.closed) onClose();
  try {
    await arrived(options, closed.signal);
  } finally {
    stream.off('close', onClose);
  }
}

async function arrived({ stream, unwritten, table, clock }: LastBytesOptions, closed: AbortSignal) {
  const key = ports(stream);
  const overQuic = stream instanceof QuicStream;
  const started = clock.now();
  const steps = new Steps();
  let movedAt = started;
  let before: number | undefined;
  for (let waitMs = firstLookMs; !closed.aborted; waitMs = Math.min(waitMs * 2, lastLookMs)) {
    const known = key === undefined ? undefined : await table.look();
    const onItsWay = overQuic && !stream.arrived;
    const left = (unwritten() || onItsWay ? 1 : 0) + (known?.get(key ?? '') ?? 0);
    if (left === 0 && known) return;
    const now = clock.now();
    const state = left + (overQuic ? stream.allowance : 0);
    if (state !== before) movedAt = now;
    before = state;
    if (overQuic && !onItsWay) steps.look(stream.allowance, now);
    const owesStep = overQuic && !onItsWay && left > 0;
    const blind = Math.max(blindMs, stepsToWait * steps.longestMs);
    const patience = owesStep ? patienceForStepMs : left > 0 ? patienceMs : blind;
    if (now - movedAt >= patience || now - started >= mostMs) return;
    await sleep(clock, waitMs, closed).catch(() => {});
  }
}

/** Of the other side's reading, by its allowance. What is on its way counts against that, so there must be nothing. */
class Steps {
  longestMs = 0;
  #allowance: number | undefined;
  #since = 0;

  look(allowance: number, now: number): void {
    if (allowance === this.#allowance) return;
    if (this.#allowance !== undefined) this.longestMs = Math.max(this.longestMs, now - this.#since);
    this.#allowance = allowance;
    this.#since = now;
  }
}
