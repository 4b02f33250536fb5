// kstatus itself, the Go library by which Flux, kpt and others tell whether an object is done: its verdict on objects as JSON.

import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Verdict {
  readonly status: 'Current' | 'InProgress' | 'Failed' | 'Terminating' | 'NotFound' | 'Unknown';
  readonly message: string;
}

const source = join(import.meta.dirname, '..', 'kstatus');
const program = join(import.meta.dirname, '..', '..', '.build', 'test', 'kstatus');

/** Compiles the program; takes a minute the first time on a machine. */
export async function buildKstatus(): Promise<void> {
  mkdirSync(join(program, '..'), { recursive: true });
  await promisify(execFile)('go', ['build', '-o', program, '.'], {
    cwd: source,
    env: { ...process.env, GOFLAGS: '-buildvcs=false -mod=readonly' },
  });
}

export async function kstatus(objects: readonly object[]): Promise<readonly Verdict[]> {
  const child = promisify(execFile)(program, [], { maxBuffer: 16 * 1024 * 1024 });
  // One that ends before it has read its input is judged by its exit code, not by a broken pipe.
  child.child.stdin?.on('error', () => {});
  child.child.stdin?.end(JSON.stringify(objects));
  return JSON.parse((await child).stdout);
}
