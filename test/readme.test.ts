// Two commands do everything on a fresh machine: one runs the demo, one passes the tests. Every other command of the README
// is typed on a real cluster by test/e2e.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { tunnelColumns } from '../charts-ts/schema/columns.ts';
import { documentedCommands } from './support/documented.ts';

const root = dirname(import.meta.dirname);
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('the README', () => {
  it('answers in order what, try it, install, first tunnel, check, remove', () => {
    const headings = [...read('README.md').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);

    expect(headings).to.deep.equal([
      'rstream-operator',
      'Try it',
      'Install',
      'First tunnel',
      'Check',
      'Remove',
      'Work on it',
    ]);
  });

  it('shows a tunnel in the columns that kubectl shows', () => {
    const columns = tunnelColumns.filter(({ priority }) => priority === undefined).map(({ name }) => name);
    const [, shown = ''] = /^```text\n(NAME .*)$/m.exec(read('README.md')) ?? [];

    expect(shown.split(/ {2,}/)).to.deep.equal(['NAME', ...columns.map((name) => name.toUpperCase())]);
  });

  it('names make targets that there are, and CI runs the one for tests', () => {
    const commands = documentedCommands('README.md').filter((command) => command.startsWith('make '));

    expect(commands).to.deep.equal(['make demo', 'make demo-down', 'make test']);
    for (const command of commands) {
      expect(read('Makefile')).to.match(new RegExp(`^${command.slice(5)}: .*## `, 'm'));
    }
    expect(read('.ci/run')).to.match(/^if .*make --no-print-directory test /m);
  });
});
