// Joins two byte streams: each side's bytes go to the other under backpressure, an end becomes an end and nothing more, a
// failure of one side ends the other after what it was sent has been written.

import type { Duplex } from 'node:stream';
import type { Clock } from '../common/clock.ts';

/** How long a side whose partner is gone may take to accept the rest. */
const lingerMs = 30_000;

/** Starts relaying; resolves when both sides are closed. Both streams must already have an error listener or get one here. */
export async function relay(clock: Clock, left: Duplex, right: Duplex): Promise<void> {
  const done = Promise.all([closed(left), closed(right)]);
  follow(clock, left, right);
  follow(clock, right, left);
  left.pipe(right);
  right.pipe(left);
  await done;
}

/** When `from` is gone, finishes and then destroys `to`; at once after an error. */
function follow(clock: Clock, from: Duplex, to: Duplex): void {
  let failed = false;
  from.on('error', () => {
    failed = true;
  });
  from.once('close', () => {
    if (to.destroyed) return;
    if (failed || to.writableFinished) return void to.destroy();
    to.end();
    const timer = clock.after(lingerMs, () => to.destroy(), { unref: true });
    to.once('finish', () => to.destroy());
    to.once('close', () => timer.cancel());
  });
}

function closed(stream: Duplex): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}
