// Reads what a document tells its readers to do: the commands of its sh blocks, one by one, and the manifests of its yaml ones.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Commands in the order of the document; lines that end with a backslash go on in the next one. */
export function documentedCommands(path: string): string[] {
  return blocks(path, 'sh').flatMap((block) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .filter((line) => line.trim() !== ''),
  );
}

export function documentedManifests(path: string): string[] {
  return blocks(path, 'yaml');
}

function blocks(path: string, language: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found = text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'));
  return [...found].map(([, block = '']) => block);
}
