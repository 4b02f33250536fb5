// A clock that runs so many times faster than the wall: minutes of watching, refreshing and waiting pass in seconds, over
// real sockets and beside real servers.

import { type Clock, systemClock } from '../../src/common/clock.ts';

export function fastClock(factor: number): Clock {
  const start = systemClock.now();
  return {
    now: () => start + (systemClock.now() - start) * factor,
    date: () => systemClock.date(),
    after: (delayMs, callback, options) => systemClock.after(delayMs / factor, callback, options),
  };
}
