// A visitor that leaves before the Service has answered. Once it has sent more than a little, its stream is not read from any
// more until somebody takes it, and then nobody hears that it broke off: the system is asked. One that has only ended is still
// there as far as anybody can tell, and what it sent is delivered.

import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../common/clock.ts';
import { brokenOff } from '../rstream/stall-watch.ts';

const lookMs = 500;

/** Calls `left` once the stream has closed or was reset. Returns how to stop watching. */
export function watchVisitor(stream: Duplex, clock: Clock, left: () => void): () => void {
  let timer: Timer = clock.after(lookMs, look);
  stream.once('close', leave);
  if (stream.closed) leave();

  function look(): void {
    if (brokenOff(stream)) leave();
    else timer = clock.after(lookMs, look);
  }

  function leave(): void {
    stop();
    left();
  }

  function stop(): void {
    timer.cancel();
    stream.off('close', leave);
  }
  return stop;
}
