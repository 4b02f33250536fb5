import { expect } from 'chai';
import { blockBytes, SlabPool, slabBytes } from '../../src/agent/slab-pool.ts';

describe('slab pool', () => {
  it('offers as large a read as was wanted, to a power of two', () => {
    const pool = new SlabPool();
    const sizes = [1, blockBytes, blockBytes + 1, 100_000, slabBytes, 10 * slabBytes];
    expect(sizes.map((wanted) => pool.readView(wanted, 0).length)).to.deep.equal([
      blockBytes,
      blockBytes,
      blockBytes,
      65_536,
      slabBytes,
      slabBytes,
    ]);
  });

  it('bounds what a thousand busy streams claim, and leaves each what it has claimed', () => {
    const pool = new SlabPool({ claimBytes: 32 * slabBytes });
    const claims: number[] = [];
    for (let stream = 0; stream < 1_000; stream += 1) {
      const { length } = pool.readView(slabBytes, 0);
      pool.claim(length);
      claims.push(length);
    }
    expect(claims[0]).to.equal(slabBytes);
    expect(claims[63]).to.be.at.least(8 * blockBytes);
    expect(claims[999]).to.equal(blockBytes);
    expect(claims.reduce((sum, bytes) => sum + bytes, 0)).to.be.at.most(32 * slabBytes + 1_000 * blockBytes);
    expect(pool.readView(slabBytes, slabBytes).length).to.equal(slabBytes);
    for (const bytes of claims) pool.claim(-bytes);
    expect(pool.readView(slabBytes, 0).length).to.equal(slabBytes);
  });

  it('leaves a few busy ones among a thousand streams large reads, and nearly nothing to claim for all', () => {
    const pool = new SlabPool({ claimBytes: 32 * slabBytes });
    for (let stream = 0; stream < 1_000; stream += 1) pool.count(1);
    const claims = Array.from({ length: 1_000 }, () => {
      const { length } = pool.readView(slabBytes, 0);
      pool.claim(length);
      return length;
    });
    expect(claims[0]).to.equal(slabBytes);
    expect(claims.reduce((sum, bytes) => sum + bytes, 0)).to.be.at.most(3 * slabBytes + 1_000 * blockBytes);
    for (let stream = 0; stream < 936; stream += 1) pool.count(-1);
    expect(pool.readView(slabBytes, 0).length).to.be.greaterThan(blockBytes);
  });

  it('reuses what was released', () => {
    const pool = new SlabPool();
    for (const size of [blockBytes, slabBytes]) {
      const memory = pool.acquire(size);
      expect(memory.length).to.equal(size);
      pool.release(memory);
      expect(pool.acquire(size)).to.equal(memory);
    }
    expect(pool.lentBytes).to.equal(blockBytes + slabBytes);
  });

  it('keeps 16 MiB of each size for reuse, and no more', () => {
    const pool = new SlabPool();
    for (const size of [blockBytes, slabBytes]) {
      const most = (16 * slabBytes) / size;
      const released = new Set(Array.from({ length: most + 5 }, () => pool.acquire(size)));
      for (const memory of released) pool.release(memory);
      const again = Array.from({ length: most + 5 }, () => pool.acquire(size));
      expect(again.filter((memory) => released.has(memory))).to.have.lengthOf(most);
    }
  });

  it('never reuses what was discarded', () => {
    const pool = new SlabPool();
    const memory = pool.acquire(blockBytes);
    pool.discard(memory);
    expect(pool.lentBytes).to.equal(0);
    expect(pool.acquire(blockBytes)).not.to.equal(memory);
  });

  it('lets less be gathered the more is lent', () => {
    const pool = new SlabPool();
    const most: number[] = [pool.mostGathered];
    for (let lent = 0; lent < 32; lent += 1) {
      pool.acquire(slabBytes);
      most.push(pool.mostGathered);
    }
    expect([0, 15, 16, 31, 32].map((lent) => most[lent])).to.deep.equal([
      slabBytes,
      slabBytes,
      4 * blockBytes,
      4 * blockBytes,
      blockBytes,
    ]);
  });

  it('keeps one slab for the next stream when it is trimmed, and frees the others', () => {
    const pool = new SlabPool();
    const lent = [pool.acquire(slabBytes), pool.acquire(slabBytes)];
    for (const memory of lent) pool.release(memory);
    pool.trim();
    const [next, another] = [pool.acquire(slabBytes), pool.acquire(slabBytes)];
    expect([next, another].map((slab) => slab && lent.includes(slab))).to.deep.equal([true, false]);
  });
});
