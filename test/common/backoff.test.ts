import { expect } from 'chai';
import { Backoff } from '../../src/common/backoff.ts';

describe('Backoff', () => {
  it('doubles from the initial delay to the cap', () => {
    const backoff = new Backoff({ initialMs: 1000, maxMs: 30_000, random: () => 0 });

    expect(Array.from({ length: 7 }, () => backoff.next())).to.deep.equal([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });

  it('takes away at most half of a delay, and never exceeds the cap', () => {
    const shortest = new Backoff({ initialMs: 1000, maxMs: 1500, random: () => 1 });
    const longest = new Backoff({ initialMs: 1000, maxMs: 1500, random: () => 0 });

    expect([shortest.next(), shortest.next()]).to.deep.equal([500, 750]);
    expect([longest.next(), longest.next()]).to.deep.equal([1000, 1500]);
  });

  it('starts over after reset', () => {
    const backoff = new Backoff({ initialMs: 10, maxMs: 1000, random: () => 0 });
    backoff.next();
    backoff.next();
    backoff.reset();

    expect(backoff.attempts).to.equal(0);
    expect(backoff.next()).to.equal(10);
  });

  it('stays finite after thousands of attempts', () => {
    const backoff = new Backoff({ initialMs: 1, maxMs: 5000, random: () => 0 });
    for (let i = 0; i < 5000; i++) backoff.next();

    expect(backoff.next()).to.equal(5000);
  });

  it('refuses delays that make no sense', () => {
    expect(() => new Backoff({ initialMs: 0, maxMs: 10 })).to.throw(RangeError);
    expect(() => new Backoff({ initialMs: 20, maxMs: 10 })).to.throw(RangeError);
  });
});
