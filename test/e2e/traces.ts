// Everything a node can leave on its host: files, processes, cgroups, mounts. Namespaces live as long as a process or a mount.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cgroupFolders } from '../cluster/cgroup.ts';
import { nodePaths } from '../cluster/settings.ts';

/** One line for each trace that the node `name` has left. */
export function tracesOf(name: string): readonly string[] {
  const { folder, cgroup } = nodePaths(name);
  const files = existsSync(folder) ? [`folder ${folder}`] : [];
  const cgroups = cgroupFolders(cgroup).filter((path) => existsSync(path));
  const mounts = read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(folder));
  return [
    ...files,
    ...cgroups.map((path) => `cgroup ${path}`),
    ...mounts.map((line) => `mount ${line}`),
    ...processesOf(folder, cgroup),
  ];
}

function processesOf(folder: string, cgroup: string): readonly string[] {
  const ids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid));
  return ids.flatMap((id) => {
    const command = read(`/proc/${id}/cmdline`).replaceAll('\0', ' ');
    const isInCgroup = read(`/proc/${id}/cgroup`)
      .split('\n')
      .some((line) => line.includes(`/${cgroup}`));
    return command !== '' && (isInCgroup || command.includes(`${folder}/`))
      ? [`process ${id}: ${command}`]
      : [];
  });
}

/** A process may end between being listed and being looked at. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
