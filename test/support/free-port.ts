// A TCP port of the loopback interface that nobody listens on just now.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** `count` free ports in a row, below those the system gives to outgoing connections. */
export async function freePorts(count: number): Promise<PortRange> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const from = 10_000 + Math.floor(Math.random() * 20_000);
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
