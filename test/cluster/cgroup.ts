// The node's own cgroup, on hosts with cgroup v1 (one folder per hierarchy) and v2 (one folder).

import { existsSync, globSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const top = '/sys/fs/cgroup';
/** The hierarchies a kubelet and containerd use. */
export const v1Controllers = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
] as const;

export function cgroupVersion(): 1 | 2 {
  return existsSync(join(top, 'cgroup.controllers')) ? 2 : 1;
}

/** The cgroup's folder in every hierarchy. */
export function cgroupFolders(name: string): readonly string[] {
  if (cgroupVersion() === 2) return [join(top, name)];
  return [...v1Controllers, 'systemd'].map((controller) => join(top, controller, name));
}

/** Makes the cgroup and caps the memory of all that runs in it. */
export function makeCgroup(name: string, memoryBytes: number): void {
  for (const folder of cgroupFolders(name)) mkdirSync(folder, { recursive: true });
  if (cgroupVersion() === 2) {
    writeFileSync(join(top, name, 'memory.max'), String(memoryBytes));
    return;
  }
  // A new cpuset is empty, and nothing can enter it before it names its processors and memory.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    writeFileSync(join(top, 'cpuset', name, file), readFileSync(join(top, 'cpuset', file)));
  }
  writeFileSync(join(top, 'memory', name, 'memory.limit_in_bytes'), String(memoryBytes));
}

/** Removes the cgroup once its processes have ended; rejects naming the folder that stays busy for ten seconds. */
export async function removeCgroup(name: string): Promise<void> {
  for (const folder of cgroupFolders(name)) {
    let left = existsSync(folder);
    for (let attempt = 0; left && attempt < 200; attempt += 1) {
      left = !removeTree(folder);
      if (left) await delay(50);
    }
    if (left) throw new Error(`${folder} still holds processes`);
  }
}

/** Children first, since only an empty cgroup can be removed. False while something in it is still busy. */
function removeTree(folder: string): boolean {
  const children = globSync('**/', { cwd: folder }).filter(
    (path) => path !== '.' && path !== './' && path !== '',
  );
  try {
    for (const child of children.sort((a, b) => b.length - a.length)) rmdirSync(join(folder, child));
    rmdirSync(folder);
  } catch {
    return !existsSync(folder);
  }
  return true;
}
