// Joins two byte streams: each side's bytes go to the other under backpressure, an end becomes an end and nothing more, and
// where one side breaks off the other one is aborted once it has received what it was sent.

import type { Duplex } from 'node:stream';
import type { Clock } from '../common/clock.ts';
import { resetSocket } from '../rstream/connection.ts';
import { lastBytes } from '../rstream/last-bytes.ts';
import { QuicStream } from '../rstream/quic-stream.ts';
import { SocketTable } from '../rstream/socket-table.ts';
import { StallWatch } from '../rstream/stall-watch.ts';

/** How long a side whose partner has ended and closed may take to accept the rest. */
const lingerMs = 30_000;

/** Joins two streams; resolves when both are closed. Each must already have an error listener or gets one here. */
export type Relay = (left: Duplex, right: Duplex) => Promise<void>;

interface Shared {
  readonly clock: Clock;
  readonly table: SocketTable;
  readonly stalls: StallWatch;
}

/** One for all the streams of an engine: what the system knows of them is asked once for all. */
export function createRelay(clock: Clock): Relay {
  const shared = { clock, table: new SocketTable(clock), stalls: new StallWatch(clock) };
  return (left, right) => join(shared, left, right);
}

/** Closes at once so that the other end sees an abort and no clean end. */
export function abort(stream: Duplex): void {
  if (stream instanceof QuicStream) stream.reset();
  else resetSocket(stream);
}

async function join(shared: Shared, left: Duplex, right: Duplex): Promise<void> {
  const done = Promise.all([closed(left), closed(right)]);
  for (const [source, sink] of [
    [left, right],
    [right, left],
  ] as const) {
    follow(shared, source, sink);
    const unwatch = shared.stalls.add({ source, sink });
    void done.then(unwatch);
    source.pipe(sink);
  }
  await done;
}

function follow(shared: Shared, from: Duplex, to: Duplex): void {
  from.on('error', () => {});
  from.once('close', () => {
    if (to.destroyed) return;
    if (from.readableEnded && from.writableFinished) finish(shared.clock, to);
    else void breakOff(shared, from, to);
  });
}

/** `to` has ended as well, and only has to be written to. */
function finish(clock: Clock, to: Duplex): void {
  if (to.writableFinished) return void to.destroy();
  const timer = clock.after(lingerMs, () => abort(to), { unref: true });
  to.once('finish', () => to.destroy());
  to.once('close', () => timer.cancel());
}

async function breakOff({ clock, table }: Shared, from: Duplex, to: Duplex): Promise<void> {
  // What it had received while `to` was busy is still there, though nobody is given it any more.
  for (let chunk = from.read(); chunk !== null && to.writable; chunk = from.read()) to.write(chunk);
  await lastBytes({ stream: to, unwritten: () => to.writableLength > 0, table, clock });
  abort(to);
}

function closed(stream: Duplex): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}
