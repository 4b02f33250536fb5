// The protocol's 104 conformance cases: each that an agent or an engine must pass is named by a test of that side.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

const root = dirname(import.meta.dirname);

/** Cases that only an engine has to pass; all others are an agent's. */
const engineOnly = [9, 12, 16, 17, 20, 39, 40, 45, 57, 58, 74, 75, 76, 77, 81, 84];
/** Cases that both have to pass. */
const both = [1, 2, 3, 7, 8, 61, 78, 79, 83, 85, 87, 90, 91];
const all = Array.from({ length: 104 }, (_, index) => index + 1);

const sides = [
  {
    side: 'an agent',
    folders: ['agent', 'rstream', 'manager', 'conformance', 'integration', 'support'],
    cases: all.filter((number) => !engineOnly.includes(number)),
  },
  { side: 'an engine', folders: ['dev-engine', 'conformance'], cases: [...engineOnly, ...both] },
];

describe('conformance cases', () => {
  for (const { side, folders, cases } of sides) {
    it(`of ${side} are all named by tests`, () => {
      const files = folders.flatMap((folder) => globSync(`test/${folder}/**/*.ts`, { cwd: root }));
      const named = new Set(files.flatMap((file) => casesIn(readFileSync(join(root, file), 'utf8'))));

      expect(cases.filter((number) => !named.has(number))).to.deep.equal([]);
    });
  }
});

/** Titles say `case 5: …`, `cases 95–104: …` or `cases 1, 2 and 3: …`. */
function casesIn(text: string): readonly number[] {
  const lists = [...text.matchAll(/\bcases? ((?:\d+(?:–\d+)?(?:, | and )?)+)/g)].map(([, list = '']) => list);
  return lists.flatMap((list) =>
    [...list.matchAll(/(\d+)(?:–(\d+))?/g)].flatMap(([, from, to]) =>
      all.filter((number) => number >= Number(from) && number <= Number(to ?? from)),
    ),
  );
}
