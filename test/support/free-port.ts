// TCP ports of the loopback interface that nobody listens on just now, below those the system gives away by itself. Each
// process draws from a slice of its own, one after the other: test jobs that run side by side do not choose the same ones.

import { createServer } from 'node:net';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** From 11000 to 29999. fetch refuses to ask some ports below, and services of type NodePort begin above. */
const slices = { first: 11_000, count: 190, size: 100 };
const slice = slices.first + (process.pid % slices.count) * slices.size;
let next = Math.floor(Math.random() * slices.size);

export async function freePort(): Promise<number> {
  return (await freePorts(1)).from;
}

/** `count` free ports in a row. */
export async function freePorts(count: number): Promise<PortRange> {
  for (let attempt = 0; attempt < slices.size; attempt += 1) {
    if (next + count > slices.size) next = 0;
    const from = slice + next;
    next += count;
    const ports = Array.from({ length: count }, (_, index) => from + index);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return { from, to: from + count - 1 };
  }
  throw new Error(`there are no ${count} free ports in a row`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
