// What Node's HTTP client expects of a connection beyond a Duplex: a QUIC stream has none of it.

import type { Duplex } from 'node:stream';

/** The stream itself, with the methods of a socket where it lacks them. Its timeout is not put off by traffic. */
export function socketLike(stream: Duplex): Duplex {
  if ('setTimeout' in stream) return stream;
  let timer: NodeJS.Timeout | undefined;
  const setTimeoutOf = (ms: number, onTimeout?: () => void) => {
    clearTimeout(timer);
    if (onTimeout) stream.once('timeout', onTimeout);
    if (ms > 0) timer = setTimeout(() => stream.emit('timeout'), ms).unref();
    return stream;
  };
  const same = () => stream;
  stream.once('close', () => clearTimeout(timer));
  return Object.assign(stream, {
    setTimeout: setTimeoutOf,
    setKeepAlive: same,
    setNoDelay: same,
    ref: same,
    unref: same,
    destroySoon: () => stream.end(() => stream.destroy()),
  });
}
