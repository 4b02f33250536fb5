import { expect } from 'chai';
import { Gather, type GatherOwner } from '../../src/agent/gather.ts';
import { blockBytes, SlabPool, slabBytes } from '../../src/agent/slab-pool.ts';

class Owner implements GatherOwner {
  readonly written: string[] = [];
  readonly sizes: number[] = [];
  readonly #pool: SlabPool;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  writeGathered(slab: Buffer, bytes: number): void {
    this.sizes.push(bytes);
    this.written.push([...new Set(slab.subarray(0, bytes).toString('latin1'))].join(''));
    this.#pool.release(slab);
  }
}

const record = (letter: string) => Buffer.alloc(blockBytes, letter);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('gather', () => {
  const set = () => {
    const pool = new SlabPool();
    return { pool, gather: new Gather(pool), a: new Owner(pool), b: new Owner(pool) };
  };

  it('writes the records of one turn together when it ends', async () => {
    const { pool, gather, a } = set();
    for (const letter of 'abc') gather.add(a, record(letter), blockBytes);
    expect(a.written).to.deep.equal([]);
    expect(gather.holds(a)).to.equal(true);
    await turn();
    expect(a.written).to.deep.equal(['abc']);
    expect(gather.holds(a)).to.equal(false);
    expect(pool.lentBytes).to.equal(0);
  });

  it('writes at once what ends with a record that is not full', () => {
    const { gather, a } = set();
    gather.add(a, record('a'), blockBytes);
    gather.add(a, record('b'), 5);
    expect(a.sizes).to.deep.equal([blockBytes + 5]);
  });

  it('writes what one stream gathered before it takes bytes of another', async () => {
    const { gather, a, b } = set();
    gather.add(a, record('a'), blockBytes);
    gather.add(b, record('b'), blockBytes);
    gather.add(a, record('c'), blockBytes);
    expect([a.written, b.written]).to.deep.equal([['a'], ['b']]);
    await turn();
    expect([a.written, b.written]).to.deep.equal([['a', 'c'], ['b']]);
  });

  it('writes when nothing more fits', () => {
    const { gather, a } = set();
    for (let count = 0; count < slabBytes / blockBytes; count += 1) gather.add(a, record('a'), blockBytes);
    expect(a.sizes).to.deep.equal([slabBytes]);
  });

  it('gathers less while much memory is lent', () => {
    const { pool, gather, a } = set();
    for (let lent = 0; lent < 16; lent += 1) pool.acquire(slabBytes);
    for (let count = 0; count < 4; count += 1) gather.add(a, record('a'), blockBytes);
    for (let lent = 0; lent < 16; lent += 1) pool.acquire(slabBytes);
    gather.add(a, record('a'), blockBytes);
    expect(a.sizes).to.deep.equal([4 * blockBytes, blockBytes]);
  });

  it('forgets what was gathered for somebody who is gone', async () => {
    const { pool, gather, a } = set();
    gather.add(a, record('a'), blockBytes);
    gather.drop(a);
    await turn();
    expect(a.written).to.deep.equal([]);
    expect(pool.lentBytes).to.equal(0);
  });
});
