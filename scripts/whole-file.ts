// Writes a file so that nobody ever sees half of it: builds of one tree run side by side, and write the same content.

import { chmodSync, renameSync, writeFileSync } from 'node:fs';

export function writeWholeFile(file: string, content: string | Uint8Array, mode = 0o644): void {
  const part = partOf(file);
  writeFileSync(part, content);
  chmodSync(part, mode);
  renameSync(part, file);
}

/** Where this process writes what becomes `file` by a rename. */
export function partOf(file: string): string {
  return `${file}.${process.pid}.part`;
}
