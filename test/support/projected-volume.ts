// Files as the kubelet projects them into a Pod: links through `..data`, which is exchanged in one step for a new folder.
// https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** Writes all files of the volume at `folder`, which it makes if need be. */
export function project(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  const data = join(folder, '..data');
  const before = existsSync(data) ? readlinkSync(data) : undefined;
  const fresh = mkdtempSync(`${folder}/..version-`);
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(fresh, name), text);
    if (!existsSync(join(folder, name))) symlinkSync(join('..data', name), join(folder, name));
  }
  symlinkSync(basename(fresh), join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), data);
  if (before !== undefined) rmSync(join(folder, before), { recursive: true });
}
