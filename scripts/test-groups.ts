// Which tests there are, in the order `make test` runs them, and what each group needs before it can start.

import { existsSync, globSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface MochaGroup {
  readonly name: string;
  readonly runner: 'mocha';
  readonly files: readonly string[];
  /** Default deadline of one test, in milliseconds. */
  readonly timeoutMs: number;
  /** True when the tests start Kubernetes programs, which are built first. */
  readonly needsBinaries: boolean;
}

export interface GoGroup {
  readonly name: string;
  readonly runner: 'go';
  /** Module folders with tests. */
  readonly modules: readonly string[];
}

export type TestGroup = MochaGroup | GoGroup;

/** Folders below test/ that are not unit tests: other groups, and what tests are made of. */
const notUnit = new Set(['bench', 'cluster', 'conformance', 'constructs', 'e2e', 'integration', 'support']);

/** Every group of the tree at `root`. A group without files is still listed, so that running nothing fails. */
export function testGroups(root: string): readonly TestGroup[] {
  const unitFolders = readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !notUnit.has(entry.name))
    .map((entry) => entry.name);
  const mocha = (
    name: string,
    folders: readonly string[],
    timeoutMs: number,
    needsBinaries: boolean,
  ): MochaGroup => ({
    name,
    runner: 'mocha',
    files: folders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`, { cwd: root })).sort(),
    timeoutMs,
    needsBinaries,
  });

  return [
    mocha('unit', unitFolders, 20_000, false),
    mocha('conformance', ['conformance'], 120_000, false),
    mocha('integration', ['integration'], 60_000, true),
    mocha('constructs', ['constructs'], 300_000, true),
    mocha('e2e', ['cluster', 'e2e'], 300_000, true),
    { name: 'go', runner: 'go', modules: goModules(root) },
  ];
}

function goModules(root: string): readonly string[] {
  const folders = globSync('test/**/go.mod', { cwd: root, exclude: (name) => name === 'node_modules' })
    .map(dirname)
    .sort();
  return folders.filter(
    (folder) =>
      existsSync(join(root, folder)) && globSync(`${folder}/**/*_test.go`, { cwd: root }).length > 0,
  );
}
