// `make` as a person calls it: what it says, how it ends, and Ctrl-C.

import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface MakeOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Presses Ctrl-C, once, when this has been said. */
  readonly interruptAt?: string;
}

export interface MakeResult {
  readonly code: number | null;
  readonly text: string;
  readonly seconds: number;
}

const root = join(import.meta.dirname, '..', '..');

export async function make(target: string, options: MakeOptions = {}): Promise<MakeResult> {
  const started = performance.now();
  // A group of its own, because a terminal sends Ctrl-C to all of a group.
  const child = spawn('make', [target], {
    cwd: root,
    env: { ...process.env, MAKEFLAGS: '', ...options.environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let interrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (interrupted || options.interruptAt === undefined || !text.includes(options.interruptAt)) return;
      interrupted = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, text, seconds: (performance.now() - started) / 1000 };
}
