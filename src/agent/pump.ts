// One direction of a relay. Every read lands in memory that all streams share, and is written, or copied, before it returns: no
// stream can ever find bytes of another one. At most one write is under way; what is read meanwhile is copied into blocks, and
// the source is paused. So a stalled reader costs what was read of its stream in one turn, and an idle stream nothing.

import type { Duplex } from 'node:stream';
import type { ByteSink } from '../rstream/transport.ts';
import type { Gather, GatherOwner } from './gather.ts';
import { blockBytes, quietReadBytes, type SlabPool } from './slab-pool.ts';

export interface PumpOptions {
  readonly pool: SlabPool;
  /** Told about every read. */
  readonly count: (bytes: number) => void;
  /**
   * Where reads are laid side by side that come record by record, as they do from TLS. The sink is then one that hands bytes
   * to the system, as a TCP socket does: what its `writableLength` no longer counts is not read from any more.
   */
  readonly gather?: Gather;
  /** Whether the sink is done with the memory of a write when `write` returns, if nothing waited before it, as TLS is. */
  readonly sinkCopies?: boolean;
}

/** Memory that a write reads from. */
interface Write {
  readonly memory: readonly Buffer[];
}

export class Pump implements ByteSink, GatherOwner {
  readonly #pool: SlabPool;
  readonly #count: (bytes: number) => void;
  readonly #gather: Gather | undefined;
  readonly #sinkCopies: boolean;
  #source: Duplex | undefined;
  #sink: Duplex | undefined;
  /** What waits to be written: blocks, all full but the last one. */
  #held: Buffer[] = [];
  #lastFilled = 0;
  #write: Write | undefined;
  #wanted: number = quietReadBytes;
  #claimed = 0;
  #paused = false;
  #ended = false;
  #stopped = false;

  constructor(options: PumpOptions) {
    this.#pool = options.pool;
    this.#count = options.count;
    this.#gather = options.gather;
    this.#sinkCopies = options.sinkCopies ?? false;
  }

  /** Moves bytes from `source`, whose reads must come here, to `sink`, and then its end. Call once. */
  start(source: Duplex, sink: Duplex): void {
    this.#source = source;
    this.#sink = sink;
    if (!this.#gather) this.#pool.count(1);
    source.once('end', () => this.#end());
    if (source.readableEnded) this.#end();
    this.#proceed();
  }

  /** Whether everything read has been handed to the sink's system buffers. */
  get drained(): boolean {
    return this.#write === undefined && this.#held.length === 0 && !this.#gather?.holds(this);
  }

  /** Gives the memory back. Call when both sockets are closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#gather?.drop(this);
    for (const block of this.#held.splice(0)) this.#pool.release(block);
    // The system may still have it.
    for (const memory of this.#write?.memory ?? []) this.#pool.discard(memory);
    this.#pool.claim(-this.#claimed);
    if (this.#sink && !this.#gather) this.#pool.count(-1);
  }

  buffer(): Uint8Array {
    return this.#gather ? this.#pool.record : this.#pool.readView(this.#wanted, this.#claimed);
  }

  received(bytes: number, buffer: Uint8Array): boolean {
    if (this.#stopped) return false;
    this.#count(bytes);
    if (!this.#sink || this.#write || this.#held.length > 0) {
      this.#hold(buffer, bytes);
      this.#paused = true;
    } else if (this.#gather) {
      this.#gather.add(this, buffer, bytes);
      this.#paused = this.#write !== undefined;
    } else {
      this.#forward(this.#sink, buffer, bytes);
      this.#paused = bytes >= quietReadBytes || bytes === buffer.length;
    }
    return !this.#paused;
  }

  writeGathered(slab: Buffer, bytes: number): void {
    if (this.#sink && this.#pool.plenty) {
      this.#writeOut(this.#sink, [slab], bytes);
      return;
    }
    this.#hold(slab, bytes);
    this.#pool.release(slab);
    this.#proceed();
  }

  /** Without a copy where the sink makes one. */
  #forward(sink: Duplex, from: Uint8Array, bytes: number): void {
    if (bytes === from.length) this.#wanted = 4 * bytes;
    else if (bytes < quietReadBytes) this.#wanted = quietReadBytes;
    if (!this.#sinkCopies || sink.writableLength > 0) {
      this.#hold(from, bytes);
      this.#proceed();
      return;
    }
    if (bytes > this.#claimed) {
      this.#pool.claim(bytes - this.#claimed);
      this.#claimed = bytes;
    }
    const write: Write = { memory: [] };
    this.#write = write;
    sink.write(from.subarray(0, bytes), (error) => this.#written(write, error));
  }

  #hold(from: Uint8Array, bytes: number): void {
    for (let at = 0; at < bytes; ) {
      let block = this.#held.at(-1);
      if (!block || this.#lastFilled === blockBytes) {
        block = this.#pool.acquire(blockBytes);
        this.#held.push(block);
        this.#lastFilled = 0;
      }
      const part = Math.min(bytes - at, blockBytes - this.#lastFilled);
      block.set(from.subarray(at, at + part), this.#lastFilled);
      this.#lastFilled += part;
      at += part;
    }
  }

  /** Starts the next write, or does what comes after the last one. */
  #proceed(): void {
    if (this.#stopped || !this.#sink || this.#write) return;
    if (this.#held.length > 0) {
      this.#writeOut(this.#sink, this.#held.splice(0), this.#lastFilled);
    } else if (this.#ended && this.drained && this.#sink.writable) {
      this.#sink.end();
    }
  }

  /** One system call for all of it. `lastBytes` are to be written of the last part. */
  #writeOut(sink: Duplex, memory: readonly Buffer[], lastBytes: number): void {
    const write: Write = { memory };
    const last = memory.length - 1;
    this.#write = write;
    sink.cork();
    for (const [index, part] of memory.entries()) {
      if (index < last) sink.write(part);
      else sink.write(part.subarray(0, lastBytes), (error) => this.#written(write, error));
    }
    sink.uncork();
    if (this.#gather && sink.writableLength === 0 && !sink.destroyed) this.#written(write);
  }

  #written(write: Write, error?: Error | null): void {
    // After an error the system may still have the memory, and nothing more can be written: stop discards it.
    if (this.#stopped || error || this.#write !== write) return;
    this.#write = undefined;
    for (const memory of write.memory) this.#pool.release(memory);
    this.#proceed();
    if (this.#paused && !this.#write && this.#held.length === 0) {
      this.#paused = false;
      this.#source?.resume();
    }
  }

  #end(): void {
    this.#ended = true;
    this.#proceed();
  }
}
