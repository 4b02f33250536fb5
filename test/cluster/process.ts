// Processes that outlive the command that started them, remembered by id and start time so that no other is ever killed.

import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProcessHandle {
  readonly pid: number;
  /** Clock ticks after boot; together with the id it names one process for as long as the machine runs. */
  readonly startTime: string;
}

/** The handle of a live process; undefined when there is none, or only a zombie. */
export function processHandle(pid: number): ProcessHandle | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name stands in parentheses and may contain anything, so fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    return state === 'Z' || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

export function isAlive(handle: ProcessHandle): boolean {
  return processHandle(handle.pid)?.startTime === handle.startTime;
}

/** Kills exactly this process, if it still runs, and waits until it is gone. */
export async function killProcess(handle: ProcessHandle, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (!isAlive(handle)) return;
  process.kill(handle.pid, signal);
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (!isAlive(handle)) return;
    await delay(25);
  }
  throw new Error(`process ${handle.pid} did not end within 10 s of ${signal}`);
}

/** Starts a daemon in a session of its own, its output in a file. */
export function startDetached(
  command: string,
  args: readonly string[],
  logFile: string,
  options: SpawnOptions = {},
): number {
  const log = openSync(logFile, 'a');
  try {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    child.unref();
    if (child.pid === undefined) throw new Error(`cannot start ${command}`);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** Polls until `probe` gives a value. `what` completes "timed out waiting for". */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const value = await probe();
    if (value !== undefined) return value;
    await delay(50, undefined, signal && { signal });
  }
  throw new Error(`timed out after ${timeoutMs / 1000} s waiting for ${what}`);
}
