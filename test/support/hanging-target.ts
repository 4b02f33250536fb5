// A port on which connecting hangs: a stopped process listens there and its queue is full, so the kernel answers no SYN.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface HangingTarget {
  readonly port: number;
  close(): Promise<void>;
}

const script = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(String(server.address().port)));
`;

export async function hangingTarget(): Promise<HangingTarget> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = await once(child.stdout, 'data');
  const port = Number(String(chunk));
  child.kill('SIGSTOP');
  const fillers = await fillQueue(port);
  return { port, close: () => close(child, fillers) };
}

/** Connects until a connection hangs. Linux takes one more than the backlog says. */
async function fillQueue(port: number): Promise<readonly Socket[]> {
  const fillers: Socket[] = [];
  for (let count = 0; count < 16; count += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    fillers.push(socket);
    const hung = new Promise((resolve) => setTimeout(() => resolve(true), 300));
    const connected = once(socket, 'connect').then(() => false);
    if (await Promise.race([hung, connected])) return fillers;
  }
  throw new Error('the queue of a listening socket is never full here');
}

async function close(child: ChildProcess, fillers: readonly Socket[]): Promise<void> {
  for (const socket of fillers) socket.destroy();
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
