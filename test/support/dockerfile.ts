// Reads a Dockerfile, and carries out a build stage on this machine instead of in a container: its folder is a new one that
// holds only what the stage copies.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** Hard links where possible; a symbolic link would end up in the bundles as another path. */
const COPY_PACKAGES = 'cp -al "$PACKAGES" . 2>/dev/null || { rm -rf node_modules; cp -a "$PACKAGES" .; }';

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  readonly argument: string;
}

/** Instructions of each stage, FROM first. */
export function dockerfileStages(text: string): readonly (readonly Instruction[])[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', '')
    .split('\n');
  const stages: Instruction[][] = [];

  for (const line of lines.filter((candidate) => candidate.trim() !== '')) {
    const [, name = '', argument = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, argument });
  }
  return stages;
}

/** `KEY=value KEY="value"`, as ENV and LABEL have it. */
export function keyValues(argument: string): Record<string, string> {
  const pairs = argument.matchAll(/([^\s=]+)=(?:"([^"]*)"|(\S*))/g);
  return Object.fromEntries([...pairs].map(([, key = '', quoted, plain = '']) => [key, quoted ?? plain]));
}

/**
 * Copies and runs what the stage says, in `folder`. Packages are not installed: Debian's are this machine's, npm's those of
 * the checkout at `root`.
 */
export async function runStage(stage: readonly Instruction[], root: string, folder: string): Promise<void> {
  const sent = sentFiles(root);

  for (const { name, argument } of stage) {
    if (name === 'COPY') copyInto(argument, { root, folder, sent });
    if (name !== 'RUN' || argument.startsWith('apt-get')) continue;
    await promisify(execFile)('sh', ['-ec', argument.startsWith('npm ci') ? COPY_PACKAGES : argument], {
      cwd: folder,
      env: { ...process.env, PACKAGES: join(root, 'node_modules') },
    });
  }
}

/** What .dockerignore lets through: it refuses everything and names exceptions. */
function sentFiles(root: string): ReadonlySet<string> {
  const [first, ...exceptions] = readFileSync(join(root, '.dockerignore'), 'utf8').trim().split('\n');
  if (first !== '*') throw new Error('.dockerignore is expected to refuse everything first');
  return new Set(exceptions.map((line) => line.replace(/^!/, '')));
}

interface Place {
  readonly root: string;
  readonly folder: string;
  readonly sent: ReadonlySet<string>;
}

function copyInto(argument: string, { root, folder, sent }: Place): void {
  const words = argument.split(/\s+/);
  const target = join(folder, words.pop() ?? '');

  for (const source of words) {
    if (!sent.has(source)) throw new Error(`.dockerignore keeps ${source} from the Dockerfile`);
    const into = existsSync(target) || words.length > 1 ? join(target, basename(source)) : target;
    mkdirSync(folder, { recursive: true });
    cpSync(join(root, source), into, { recursive: true });
  }
}
