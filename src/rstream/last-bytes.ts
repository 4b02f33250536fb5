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
/**
 * Where nobody knows what has arrived (TLS within TLS, no table), what the system has taken gets so long; over QUIC, where an
 * abort takes along what has arrived and is unread, it gets so long after the other side was last seen to read.
 */
const blindMs = 1_000;
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
  const started = clock.now();
  let movedAt = started;
  let before: number | undefined;
  for (let waitMs = firstLookMs; !closed.aborted; waitMs = Math.min(waitMs * 2, lastLookMs)) {
    const known = key === undefined ? undefined : await table.look();
    const overQuic = stream instanceof QuicStream;
    const underWay = unwritten() || (overQuic && !stream.arrived);
    const left = (underWay ? 1 : 0) + (known?.get(key ?? '') ?? 0);
    if (left === 0 && known) return;
    const now = clock.now();
    const state = left + (overQuic ? stream.allowance : 0);
    if (state !== before) movedAt = now;
    before = state;
    const patience = left === 0 ? blindMs : patienceMs;
    if (now - movedAt >= patience || now - started >= mostMs) return;
    await sleep(clock, waitMs, closed).catch(() => {});
  }
}
