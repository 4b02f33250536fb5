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
});
