import { expect } from 'chai';
import { SharedStrings } from '../../src/common/shared-strings.ts';

describe('shared strings', () => {
  it('stay what they are', () => {
    const strings = new SharedStrings(2);
    for (const text of ['a', 'b', 'a', 'c', 'd', 'a']) expect(strings.share(text)).to.equal(text);
  });

  it('are bounded, and the one that was not asked for the longest goes', () => {
    const strings = new SharedStrings(2);
    for (const text of ['a', 'b', 'a', 'c']) strings.share(text);
    expect(strings.size).to.equal(2);
    expect(strings.has('a')).to.equal(true);
    expect(strings.has('b')).to.equal(false);
  });
});
