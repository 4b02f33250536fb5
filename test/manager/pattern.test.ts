import { expect } from 'chai';
import { allowedBy, matchesPattern } from '../../src/manager/pattern.ts';

describe('a pattern of an allow list', () => {
  const matching = [
    ['e.example.com:443', 'e.example.com:443'],
    ['*', 'anything'],
    ['*', ''],
    ['*.example.com:443', 'a.b.example.com:443'],
    ['registry.example/*', 'registry.example/agent:1'],
    ['registry.example/*/agent:*', 'registry.example/team/agent:1'],
    ['a*b*c', 'a-b-b-c'],
    ['a*a', 'aa'],
  ] as const;
  for (const [pattern, value] of matching) {
    it(`${pattern} lets ${value || 'nothing'} pass`, () => {
      expect(matchesPattern(pattern, value)).to.equal(true);
    });
  }

  const refusing = [
    ['e.example.com:443', 'e.example.com:4433'],
    ['e.example.com:443', 'evil-e.example.com:443'],
    ['*.example.com:443', 'e.example.com:443.evil.test:443'],
    ['*.example.com:443', 'example.com:443'],
    ['registry.example/*', 'evil.test/registry.example/agent'],
    ['registry.example/*/agent:*', 'registry.example/team/other:1'],
    ['a*b*c', 'a-c'],
    ['a*bc*c', 'abc'],
    ['a*a', 'a'],
    ['e.example.com', 'eXexample.com'],
  ] as const;
  for (const [pattern, value] of refusing) {
    it(`${pattern} refuses ${value}`, () => {
      expect(matchesPattern(pattern, value)).to.equal(false);
    });
  }

  it('is needed only where there is a list', () => {
    expect(allowedBy([], 'anything')).to.equal(true);
    expect(allowedBy(['a', 'b'], 'b')).to.equal(true);
    expect(allowedBy(['a', 'b'], 'c')).to.equal(false);
  });
});
