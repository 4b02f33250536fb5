// Whom a connection lets write when there is room again.

import { expect } from 'chai';
import { QuicWriters } from '../../src/rstream/quic-writers.ts';

describe('QuicWriters', () => {
  let tried: number[];
  let writable: number[];
  let writers: QuicWriters<{ readonly id: number; writeReady(): void }>;
  beforeEach(() => {
    tried = [];
    writable = [];
    writers = new QuicWriters({ writable: () => writable });
  });

  /** Each has to wait again. */
  function wait(count: number): void {
    for (let id = 0; id < count; id += 1) {
      const writer = {
        id,
        writeReady() {
          tried.push(id);
          writers.add(writer);
        },
      };
      writers.add(writer);
    }
  }

  it('tries a few one by one', () => {
    wait(3);
    writers.wake();
    expect(tried).to.deep.equal([0, 1, 2]);
  });

  it('tries of many those that may write and wait to', () => {
    wait(100);
    writable = [7, 1_000, 3];
    writers.wake();
    expect(tried).to.deep.equal([7, 3]);
  });

  it('tries all of them now and then, and none that waits no longer', () => {
    wait(100);
    for (let times = 0; times < 63; times += 1) writers.wake();
    expect(tried).to.deep.equal([]);
    writers.delete({ id: 5, writeReady: () => {} });
    writers.wake();
    expect(tried).to.have.length(99);
  });
});
