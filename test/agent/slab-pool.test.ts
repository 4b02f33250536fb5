import { expect } from 'chai';
import { SlabPool, slabSizes } from '../../src/agent/slab-pool.ts';

const [small, medium] = slabSizes;

describe('slab pool', () => {
  it('hands out large slabs only while the budget lasts, and small ones always', () => {
    const pool = new SlabPool({ budgetBytes: 2 * medium });
    expect([1, 2, 3, 4].map(() => pool.acquire(medium).length)).to.deep.equal([medium, medium, small, small]);
    expect(pool.largeBytes).to.equal(2 * medium);
  });

  it('falls back to the largest size that fits', () => {
    expect(new SlabPool({ budgetBytes: medium }).acquire(slabSizes[3]).length).to.equal(medium);
  });

  it('reuses what was released', () => {
    const pool = new SlabPool();
    const slab = pool.acquire(medium);
    pool.release(slab);
    expect(pool.acquire(medium)).to.equal(slab);
  });

  it('never reuses what was discarded, and forgets its size', () => {
    const pool = new SlabPool({ budgetBytes: medium });
    const slab = pool.acquire(medium);
    pool.discard(slab);
    expect(pool.largeBytes).to.equal(0);
    expect(pool.acquire(medium)).not.to.equal(slab);
  });

  it('gives up kept slabs of one size for another', () => {
    const pool = new SlabPool({ budgetBytes: slabSizes[2] });
    const kept = Array.from({ length: 4 }, () => pool.acquire(medium));
    for (const slab of kept) pool.release(slab);
    expect(pool.acquire(slabSizes[2]).length).to.equal(slabSizes[2]);
    expect(pool.largeBytes).to.equal(slabSizes[2]);
  });

  it('hands out smaller slabs the more are lent', () => {
    const pool = new SlabPool();
    const lent = Array.from({ length: 400 }, () => pool.acquire(slabSizes[3]));
    expect(lent.map((slab) => slab.length)).to.deep.equal(
      lent.map(({ length }) => length).sort((a, b) => b - a),
    );
    expect([0, 10, 136, 240].map((at) => lent[at]?.length)).to.deep.equal(slabSizes.toReversed());
    expect(pool.lentBytes).to.equal(lent.reduce((sum, slab) => sum + slab.length, 0));
    expect(pool.scratch().length).to.equal(small);
    for (const slab of lent) pool.release(slab);
    expect(pool.lentBytes).to.equal(0);
    expect(pool.scratch().length).to.equal(medium);
    expect(pool.acquire(slabSizes[3]).length).to.equal(slabSizes[3]);
  });

  it('frees what it keeps when told that there are no streams', () => {
    const pool = new SlabPool();
    const lent = Array.from({ length: 10 }, () => pool.acquire(slabSizes[3]));
    for (const slab of lent) pool.release(slab);
    expect(pool.largeBytes).to.equal(10 * slabSizes[3]);
    pool.trim();
    expect(pool.largeBytes).to.equal(4 * slabSizes[3]);
  });
});
