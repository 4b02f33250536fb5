// `node scripts/image-root.ts FOLDER`: lays out the image's files in a folder, which the Dockerfile copies as it is.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { imageContent } from './image-content.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: image-root.ts FOLDER');

const { base, product } = await imageContent(dirname(import.meta.dirname));
for (const entry of [...base, ...product]) {
  const path = join(folder, entry.path);
  if (entry.kind === 'directory') mkdirSync(path, { recursive: true });
  else writeFileSync(path, entry.content);
  // Not as an option above, where the umask would have its say.
  chmodSync(path, entry.mode ?? (entry.kind === 'directory' ? 0o755 : 0o644));
}
