// The memory that relayed bytes pass through, shared by all streams of the process. Every read lands in the same place and is
// taken from there before the next one happens; only what a sink does not take at once needs memory of its own stream.

export interface SlabPoolOptions {
  /** Bytes that reads of more than the smallest size may claim together; default 64 MiB. */
  readonly claimBytes?: number;
}

/** One TLS record. */
export const blockBytes: number = 16 * 1024;
export const slabBytes: number = 1024 * 1024;

/** A read of less makes a stream quiet: it begins again with this size. */
export const quietReadBytes: number = blockBytes;

/** The budget for claims is for so many streams; the more there are beyond, the smaller it gets. */
const fewStreams = 64;

/** Beyond so much lent, gathered records are copied into blocks before they are written; beyond twice that, at once. */
const plentyBytes = 16 * slabBytes;

/** Kept of each size for reuse while there are streams; more is left to the garbage collector. */
const mostKeptBytes = 16 * slabBytes;

export class SlabPool {
  /** Where decrypted records land. */
  readonly record: Buffer = Buffer.allocUnsafeSlow(blockBytes);
  /** Views of the place where other reads land, smallest first. */
  readonly #reads: readonly Buffer[];
  readonly #claimBytes: number;
  readonly #blocks: Buffer[] = [];
  readonly #slabs: Buffer[] = [];
  #streams = 0;
  #claimed = 0;
  #lentBytes = 0;

  constructor(options: SlabPoolOptions = {}) {
    this.#claimBytes = options.claimBytes ?? 64 * 1024 * 1024;
    const memory = Buffer.allocUnsafeSlow(slabBytes);
    const sizes = Array.from({ length: 7 }, (_, power) => blockBytes * 2 ** power);
    this.#reads = sizes.map((size) => memory.subarray(0, size));
  }

  /** Bytes of blocks and slabs that somebody holds. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Bytes that may be gathered before they are written. */
  get mostGathered(): number {
    if (this.#lentBytes < plentyBytes) return slabBytes;
    return this.#lentBytes < 2 * plentyBytes ? 4 * blockBytes : blockBytes;
  }

  /** Whether a slab may be lent to a write, so that nothing is copied. */
  get plenty(): boolean {
    return this.#lentBytes < plentyBytes;
  }

  /**
   * The place for a read of at most `wanted` bytes by somebody who has claimed so many. TLS keeps memory for the largest write
   * of a connection until it is closed, so each may claim only a part of what the others have left: among a thousand streams, a
   * few that are busy get large reads, but a thousand busy ones the smallest.
   */
  readView(wanted: number, claimed: number): Buffer {
    const budget = this.#claimBytes * Math.min(1, fewStreams / this.#streams);
    const left = Math.max(0, budget - this.#claimed + claimed);
    const most = Math.min(wanted, Math.max(claimed, (left / budget) * slabBytes));
    return this.#reads.findLast(({ length }) => length <= most) ?? this.#smallestRead;
  }

  claim(bytes: number): void {
    this.#claimed += bytes;
  }

  /** One stream more, or less, that may claim. */
  count(streams: 1 | -1): void {
    this.#streams += streams;
  }

  /** Memory for one stream: a block for what waits to be written, a slab to gather records in. */
  acquire(size: number): Buffer {
    this.#lentBytes += size;
    return this.#kept(size).pop() ?? Buffer.allocUnsafeSlow(size);
  }

  /** Gives memory back, most of it for reuse. Nobody may touch it afterwards. */
  release(memory: Buffer): void {
    this.#lentBytes -= memory.length;
    const kept = this.#kept(memory.length);
    if (kept.length * memory.length < mostKeptBytes) kept.push(memory);
  }

  /** Gives up memory that somebody may still read from: it is not reused. */
  discard(memory: Buffer): void {
    this.#lentBytes -= memory.length;
  }

  /** Frees what is kept for reuse, but for what the next stream begins with. For when the last stream has ended. */
  trim(): void {
    this.#blocks.splice(1);
    this.#slabs.splice(1);
  }

  #kept(size: number): Buffer[] {
    return size === slabBytes ? this.#slabs : this.#blocks;
  }

  get #smallestRead(): Buffer {
    return this.#reads[0] ?? this.record;
  }
}
