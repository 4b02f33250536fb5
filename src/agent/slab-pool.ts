// The memory that relayed bytes pass through, shared by all streams of the process: nobody holds any while nothing moves, and
// the more streams hold some, the smaller their slabs are. So one busy stream gets large reads and a thousand cost little.

export interface SlabPoolOptions {
  /** Bytes that large slabs (all but the smallest size) may take together, lent and kept; default 48 MiB. */
  readonly budgetBytes?: number;
}

/** Sizes a slab can have, smallest first. */
export const slabSizes = [8 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024] as const;

const smallest = slabSizes[0];

/**
 * Large slabs are for few: with so many lent, the next one is smaller. A stream holds two or three, and OpenSSL as much again
 * as is being written, so ten of 1 MiB or 136 of 256 KiB (four streams, or 64) come to less than 100 MiB.
 */
const classes = [
  { size: slabSizes[3], mostLent: 10 },
  { size: slabSizes[2], mostLent: 136 },
  { size: slabSizes[1], mostLent: 240 },
] as const;

/** Kept while there are no streams: enough for a busy one to begin with. */
const keptWhenIdleBytes = 4 * 1024 * 1024;

/** Small slabs kept for reuse; more than these are left to the garbage collector. */
const smallSlabsKept = 256;

/** Four TLS records, and as much as the system offers per read when nobody asks for more. */
const scratchBytes = 64 * 1024;

export class SlabPool {
  readonly #budget: number;
  readonly #free = new Map<number, Buffer[]>(slabSizes.map((size) => [size, []]));
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes);
  readonly #smallScratch = this.#scratch.subarray(0, smallest);
  #large = 0;
  #lent = 0;
  #lentBytes = 0;

  constructor(options: SlabPoolOptions = {}) {
    this.#budget = options.budgetBytes ?? 48 * 1024 * 1024;
  }

  /** Bytes of large slabs in existence, lent or kept. */
  get largeBytes(): number {
    return this.#large;
  }

  /** Bytes of slabs that somebody holds. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /**
   * Memory for a read that is copied out before anybody else reads: the same for everybody. Smaller while slabs are scarce,
   * because what was read must be kept.
   */
  scratch(): Buffer {
    return this.#lent < classes[2].mostLent ? this.#scratch : this.#smallScratch;
  }

  /** A slab of at most `wanted` bytes: as large as the number of others allows, at least the smallest. */
  acquire(wanted: number): Buffer {
    const slab =
      this.#acquireLarge(wanted) ?? this.#free.get(smallest)?.pop() ?? Buffer.allocUnsafeSlow(smallest);
    this.#lent += 1;
    this.#lentBytes += slab.length;
    return slab;
  }

  /** Gives a slab back for reuse. Nobody may touch it afterwards. */
  release(slab: Buffer): void {
    this.#returned(slab);
    const free = this.#free.get(slab.length);
    if (slab.length !== smallest || (free && free.length < smallSlabsKept)) free?.push(slab);
  }

  /** Gives up a slab that somebody may still write to or read from: it is not reused. */
  discard(slab: Buffer): void {
    this.#returned(slab);
    if (slab.length !== smallest) this.#large -= slab.length;
  }

  /** Frees most of what is kept for reuse. For when the last stream has ended: between two reads it would cost more. */
  trim(): void {
    this.#trim(keptWhenIdleBytes);
  }

  #returned(slab: Buffer): void {
    this.#lent -= 1;
    this.#lentBytes -= slab.length;
  }

  #acquireLarge(wanted: number): Buffer | undefined {
    for (const { size, mostLent } of classes) {
      if (size > wanted || this.#lent >= mostLent) continue;
      const slab = this.#free.get(size)?.pop() ?? this.#grow(size);
      if (slab) return slab;
    }
    return undefined;
  }

  #grow(size: number): Buffer | undefined {
    if (this.#large + size > this.#budget) this.#trim(this.#budget - size);
    if (this.#large + size > this.#budget) return undefined;
    this.#large += size;
    return Buffer.allocUnsafeSlow(size);
  }

  /** Frees kept large slabs until all of them together take no more than `bytes`. */
  #trim(bytes: number): void {
    for (const { size } of classes) {
      const free = this.#free.get(size);
      while (free && free.length > 0 && this.#large > bytes) {
        free.pop();
        this.#large -= size;
      }
    }
  }
}
