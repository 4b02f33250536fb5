// `make generate`: writes every generated file. With --check it puts nothing back: it generates, compares with what was
// there and fails naming the files that had drifted, which are then up to date and only need a commit.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const root = dirname(import.meta.dirname);
const generated = ['generated/**/*', 'dist/**/*', 'docs/api.md', 'docs/values.md'];

/** In this order: messages and types come before what is rendered from them. */
function commands(): readonly (readonly string[])[] {
  const generators = globSync('scripts/generate-*.ts', { cwd: root }).sort();
  return [['buf', 'generate'], ...generators.map((file) => ['node', file]), ['cdk8s', 'synth']];
}

function digests(): ReadonlyMap<string, string> {
  const files = generated.flatMap((pattern) => globSync(pattern, { cwd: root }));
  const regular = files.filter((file) => statSync(join(root, file)).isFile());
  return new Map(
    regular.map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(join(root, file)))
        .digest('hex'),
    ]),
  );
}

function run([command = '', ...args]: readonly string[]): void {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, CI: '1' } });
  if (result.status === 0) return;
  console.error(result.error?.message ?? `${result.stdout}${result.stderr}`);
  throw new Error(`${[command, ...args].join(' ')} failed`);
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const before = digests();
for (const command of commands()) run(command);
const after = digests();

const drifted = [...new Set([...before.keys(), ...after.keys()])]
  .filter((file) => before.get(file) !== after.get(file))
  .sort();
for (const file of drifted) console.log(`${existsSync(join(root, file)) ? 'written' : 'removed'}: ${file}`);
if (values.check && drifted.length > 0) {
  console.error('These generated files were out of date. They are right now: look at them and commit them.');
  process.exitCode = 1;
}
