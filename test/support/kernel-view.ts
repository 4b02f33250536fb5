// What the kernel does for a TCP connection: whether it will look for a peer that is silent, and whether it holds small
// writes back.

import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { median } from './median.ts';

/** The fields of /proc/net/tcp up to the timer: its kind, and when it runs out, in hundredths of a second. */
const row = /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:[\dA-F]{4} 01 \S+ ([\dA-F]{2}):([\dA-F]{8}) /gm;
const keepAliveTimer = '02';

/** Milliseconds until the kernel asks the peer of this IPv4 connection whether it is there; undefined when it never will. */
export async function keepAliveInMs(localPort: number | undefined): Promise<number | undefined> {
  for (const [, port = '', kind, when = ''] of (await readFile('/proc/net/tcp', 'latin1')).matchAll(row)) {
    if (Number.parseInt(port, 16) === localPort && kind === keepAliveTimer)
      return Number.parseInt(when, 16) * 10;
  }
  return undefined;
}

/**
 * The median of what two small writes and an answer to both take: 40 ms or more where the second waits until the peer
 * acknowledges the first (Nagle's algorithm), because peers put that off.
 */
export async function twoWritesMs(ours: Duplex, theirs: Duplex): Promise<number> {
  const took: number[] = [];
  let heard = 0;
  theirs.on('data', ({ length }: Buffer) => {
    heard += length;
    if (heard % 2 === 0) theirs.write('.');
  });
  for (let round = 0; round < 41; round += 1) {
    const started = performance.now();
    await new Promise<void>((resolve) => {
      ours.once('data', () => resolve());
      ours.write('1', () => ours.write('2'));
    });
    took.push(performance.now() - started);
  }
  return median(took);
}
