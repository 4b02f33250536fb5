// What a process has used, read from /proc: CPU time of all its threads and its memory.

import { readFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 on every architecture Linux has for us; see proc(5) and time(7). */
const ticksPerSecond = 100;

/** User and system time since the process began, with a resolution of 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything; what follows it are numbers, the state first.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory now and at its highest, in MiB. */
export function memoryMiB(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}
