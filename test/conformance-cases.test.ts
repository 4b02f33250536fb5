// Every case of the protocol's conformance list is named by a test of each side it is for: `case 85: …` or `cases 85 and 87: …`
// at the beginning of a name. Tests of test/dev-engine speak for the engine, those of the other folders for the agent.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

const root = import.meta.dirname;
const last = 104;
const engineOnly = new Set([9, 12, 16, 17, 20, 39, 40, 45, 57, 58, 74, 75, 76, 77, 81, 84]);
const both = new Set([1, 2, 3, 7, 8, 61, 78, 79, 83, 85, 87, 90, 91]);
const agentFolders = ['agent', 'rstream', 'manager'];

/** The beginnings of test names, also of those that stand in a table. */
const named = /['"`]cases? (\d+(?:(?:, | and )\d+)*):/g;

function casesIn(folders: readonly string[]): ReadonlySet<number> {
  const files = folders.flatMap((folder) => globSync(join(root, folder, '**/*.test.ts')));
  const numbers = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(named)].flatMap(([, list = '']) => list.match(/\d+/g) ?? []),
  );
  return new Set(numbers.map(Number));
}

function missing(wanted: (number: number) => boolean, found: ReadonlySet<number>): readonly number[] {
  const all = Array.from({ length: last }, (_, index) => index + 1);
  return all.filter((number) => wanted(number) && !found.has(number));
}

describe('the conformance cases', () => {
  it('are all named by tests of the agent where they are for agents', () => {
    expect(missing((number) => !engineOnly.has(number), casesIn(agentFolders))).to.deep.equal([]);
  });

  it('are all named by tests of the engine where they are for engines', () => {
    const wanted = (number: number) => engineOnly.has(number) || both.has(number);
    expect(missing(wanted, casesIn(['dev-engine']))).to.deep.equal([]);
  });

  it('have no test that is skipped', () => {
    const files = globSync(join(root, '{agent,rstream,manager,dev-engine}/**/*.test.ts'));
    const skipped = files.filter((file) =>
      /\b(?:it|describe)\.skip\b|this\.skip\(|\bxit\(/.test(readFileSync(file, 'utf8')),
    );
    expect(files.length).to.be.greaterThan(20);
    expect(skipped).to.deep.equal([]);
  });
});
