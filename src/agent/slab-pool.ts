// The memory that relayed bytes pass through, shared by all streams of the process: small slabs for everybody, larger
// ones while the budget lasts. So one busy stream gets large reads and a thousand idle ones cost next to nothing.

export interface SlabPoolOptions {
  /** Bytes that large slabs (all but the smallest size) may take together, lent and kept; default 24 MiB. */
  readonly budgetBytes?: number;
}

/** Sizes a slab can have, smallest first. */
export const slabSizes = [8 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024] as const;

const smallest = slabSizes[0];

/** Small slabs kept for reuse; more than these are left to the garbage collector. */
const smallSlabsKept = 256;

export class SlabPool {
  readonly #budget: number;
  readonly #free = new Map<number, Buffer[]>(slabSizes.map((size) => [size, []]));
  #large = 0;

  constructor(options: SlabPoolOptions = {}) {
    this.#budget = options.budgetBytes ?? 24 * 1024 * 1024;
  }

  /** Bytes of large slabs in existence, lent or kept. */
  get largeBytes(): number {
    return this.#large;
  }

  /** A slab of at most `wanted` bytes: the largest size the budget allows, and always at least the smallest. */
  acquire(wanted: number): Buffer {
    for (const size of slabSizes.toReversed()) {
      if (size > wanted) continue;
      const slab = this.#free.get(size)?.pop() ?? this.#grow(size);
      if (slab) return slab;
    }
    return Buffer.allocUnsafeSlow(smallest);
  }

  /** Gives a slab back for reuse. Nobody may touch it afterwards. */
  release(slab: Buffer): void {
    const free = this.#free.get(slab.length);
    if (slab.length === smallest && free && free.length >= smallSlabsKept) return;
    free?.push(slab);
  }

  /** Gives up a slab that somebody may still write to or read from: it is not reused. */
  discard(slab: Buffer): void {
    if (slab.length !== smallest) this.#large -= slab.length;
  }

  #grow(size: number): Buffer | undefined {
    if (size === smallest) return Buffer.allocUnsafeSlow(size);
    if (this.#large + size > this.#budget) this.#trim(size);
    if (this.#large + size > this.#budget) return undefined;
    this.#large += size;
    return Buffer.allocUnsafeSlow(size);
  }

  /** Frees kept large slabs of other sizes to make room for one of `size` bytes. */
  #trim(size: number): void {
    for (const other of slabSizes) {
      const free = this.#free.get(other);
      if (other === smallest || other === size || !free) continue;
      while (free.length > 0 && this.#large + size > this.#budget) {
        free.pop();
        this.#large -= other;
      }
    }
  }
}
