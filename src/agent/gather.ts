// Lays the records that one stream receives in one turn of the event loop side by side, so that they take one write. All streams
// share one slab for it, which stays in the processor's cache: it belongs to one of them at a time, and is written when another
// one wants it, when it is full, or when the turn ends.

import { blockBytes, type SlabPool, slabBytes } from './slab-pool.ts';

export interface GatherOwner {
  /** Writes the first `bytes` of the slab, and gives the slab back to the pool. */
  writeGathered(slab: Buffer, bytes: number): void;
}

export class Gather {
  readonly #pool: SlabPool;
  #slab: Buffer | undefined;
  #filled = 0;
  #owner: GatherOwner | undefined;
  #flushPlanned = false;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Takes a copy of at most one block. Unless more is likely to follow in this turn, writes it. */
  add(owner: GatherOwner, from: Uint8Array, bytes: number): void {
    if (this.#owner !== owner) this.flush();
    this.#owner = owner;
    this.#slab ??= this.#pool.acquire(slabBytes);
    this.#slab.set(bytes === from.length ? from : from.subarray(0, bytes), this.#filled);
    this.#filled += bytes;
    // A record that is not full is the last one that was sent.
    if (bytes < blockBytes || this.#filled + blockBytes > this.#pool.mostGathered) this.flush();
    else this.#planFlush();
  }

  holds(owner: GatherOwner): boolean {
    return this.#owner === owner;
  }

  flush(): void {
    const { owner, slab, bytes } = this.#take();
    if (owner && slab) owner.writeGathered(slab, bytes);
  }

  /** Forgets what was gathered for somebody who is gone. */
  drop(owner: GatherOwner): void {
    if (this.#owner !== owner) return;
    const { slab } = this.#take();
    if (slab) this.#pool.release(slab);
  }

  #take() {
    const taken = { owner: this.#owner, slab: this.#slab, bytes: this.#filled };
    this.#owner = undefined;
    this.#slab = undefined;
    this.#filled = 0;
    return taken;
  }

  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      this.flush();
    });
  }
}
