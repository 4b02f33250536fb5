import { expect } from 'chai';

import { parseDuration } from '../../src/common/duration.ts';

describe('parseDuration', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['500ms', 500],
    ['1s', 1000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h30m', 5_400_000],
    ['1m30s250ms', 90_250],
    ['', undefined],
    ['1', undefined],
    ['-1s', undefined],
    ['1 s', undefined],
    ['s', undefined],
    ['1d', undefined],
    ['1s!', undefined],
    ['1ms'.repeat(40), undefined],
  ];
  for (const [text, expected] of cases) {
    it(`reads ${JSON.stringify(text)} as ${String(expected)}`, () => {
      expect(parseDuration(text)).to.equal(expected);
    });
  }
});
