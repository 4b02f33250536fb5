// One direction of a relay. Reads of a quiet stream go through memory shared by all streams and are copied from there; a busy
// one reads straight into slabs of its own. At most one write is under way; meanwhile one slab fills, and when that is full
// the source is paused. So a stalled reader costs two slabs, however much is sent to it, and an idle stream costs none.
// A slab is given back only when no write uses it and the socket's next read goes elsewhere.

import type { Duplex } from 'node:stream';
import type { ByteSink } from '../rstream/transport.ts';
import { type SlabPool, slabSizes } from './slab-pool.ts';

/** A TLS record carries this much at most; a read of so much is likely followed by another one in the same turn. */
const fullRecord = 16 * 1024;
/** A read of so much makes a stream busy, a smaller one makes it quiet. */
const busyRead = 32 * 1024;

const sizes: readonly number[] = slabSizes;

/** Records are copied in one by one: a slab larger than this is out of the processor's cache again when it is written. */
const largestGathered: number = slabSizes[2];

/** What reads land in after the end, when nobody wants it any more. */
const scrap = Buffer.alloc(1024);

export interface PumpOptions {
  readonly pool: SlabPool;
  /** Told about every read. */
  readonly count: (bytes: number) => void;
  /** Whether reads come record by record, so that waiting for the end of the turn saves writes. Default false. */
  readonly gather?: boolean;
}

/** A part of a slab that is to be written. */
interface Chunk {
  readonly slab: Buffer;
  readonly start: number;
  readonly end: number;
}

export class Pump implements ByteSink {
  readonly #pool: SlabPool;
  readonly #count: (bytes: number) => void;
  readonly #gather: boolean;
  #source: Duplex | undefined;
  #sink: Duplex | undefined;
  /** The slab being filled; what lies between start and filled is still to be written. */
  #slab: Buffer | undefined;
  #start = 0;
  #filled = 0;
  /** Whether the socket's next read lands in the slab, behind what is filled. */
  #attached = false;
  #busy = false;
  #wanted: number = slabSizes[0];
  /** What filled up during a write: one chunk, or a few when decrypted records keep coming after a pause. */
  readonly #waiting: Chunk[] = [];
  #writing: Chunk | undefined;
  #paused = false;
  #flushPlanned = false;
  #ended = false;
  #stopped = false;

  constructor(options: PumpOptions) {
    this.#pool = options.pool;
    this.#count = options.count;
    this.#gather = options.gather ?? false;
  }

  /** Moves bytes from `source`, whose reads must come here, to `sink`, and then its end. Call once. */
  start(source: Duplex, sink: Duplex): void {
    this.#source = source;
    this.#sink = sink;
    source.once('end', () => this.#end());
    if (source.readableEnded) this.#end();
    this.#flush();
  }

  /** Whether everything read has been handed to the sink's system buffers. */
  get drained(): boolean {
    return this.#writing === undefined && this.#waiting.length === 0 && this.#filled === this.#start;
  }

  /** Gives the memory back. Call when both sockets are closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const written = this.#writing?.slab;
    const others = new Set(this.#waiting.splice(0).map(({ slab }) => slab));
    if (this.#slab) others.add(this.#slab);
    if (written) this.#pool.discard(written);
    for (const slab of others) if (slab !== written) this.#pool.release(slab);
    this.#slab = undefined;
  }

  buffer(): Uint8Array {
    if (this.#stopped) return scrap;
    this.#attached = this.#busy;
    if (!this.#busy) {
      this.#letGoOfIdleSlab();
      return this.#pool.scratch();
    }
    // A write uses its front: the next reads get a slab to fill from its own front.
    if (this.#slab && this.#start === this.#filled && this.#filled > 0) this.#dropSlab(this.#slab);
    this.#slab ??= this.#acquire();
    return this.#filled === 0 ? this.#slab : this.#slab.subarray(this.#filled);
  }

  received(bytes: number, buffer: Uint8Array): boolean {
    if (this.#stopped) return false;
    this.#count(bytes);
    this.#busy = !this.#gather && bytes >= busyRead;
    if (this.#attached && this.#slab && buffer.buffer === this.#slab.buffer) this.#advance(this.#slab, bytes);
    else this.#copy(buffer, bytes);

    if (!this.#writing) this.#plan(this.#waiting.length > 0 || bytes < fullRecord);
    this.#paused = this.#waiting.length > 0;
    return !this.#paused;
  }

  #copy(from: Uint8Array, bytes: number): void {
    for (let at = 0; at < bytes; ) {
      this.#slab ??= this.#acquire();
      const part = from.subarray(at, Math.min(bytes, at + this.#slab.length - this.#filled));
      this.#slab.set(part, this.#filled);
      at += part.length;
      this.#advance(this.#slab, part.length);
    }
  }

  #advance(slab: Buffer, bytes: number): void {
    this.#filled += bytes;
    if (!isFull(slab, this.#filled)) return;
    this.#setAside(slab);
    this.#dropSlab(slab);
  }

  #plan(now: boolean): void {
    if (now || !this.#gather) {
      this.#flush();
    } else if (!this.#flushPlanned) {
      this.#flushPlanned = true;
      setImmediate(() => {
        this.#flushPlanned = false;
        this.#flush();
      });
    }
  }

  #setAside(slab: Buffer): void {
    this.#waiting.push({ slab, start: this.#start, end: this.#filled });
    this.#start = this.#filled;
  }

  #acquire(): Buffer {
    this.#start = 0;
    this.#filled = 0;
    return this.#pool.acquire(this.#wanted);
  }

  /** Nothing more goes into it; the next one is larger when this one was full, smaller when it was hardly used. */
  #dropSlab(slab: Buffer): void {
    const position = sizes.indexOf(slab.length);
    if (isFull(slab, this.#filled)) this.#wanted = this.#larger(position);
    else if (this.#filled < slab.length / 16) this.#wanted = sizes[position - 1] ?? slab.length;
    this.#slab = undefined;
    this.#start = 0;
    this.#filled = 0;
    this.#releaseUnused(slab);
  }

  #larger(position: number): number {
    const next = sizes[position + 1] ?? slabSizes[3];
    return this.#gather ? Math.min(next, largestGathered) : next;
  }

  #letGoOfIdleSlab(): void {
    if (this.#slab && this.#start === this.#filled && !this.#attached) this.#dropSlab(this.#slab);
  }

  #releaseUnused(slab: Buffer): void {
    if (slab === this.#slab || slab === this.#writing?.slab) return;
    if (!this.#waiting.some((chunk) => chunk.slab === slab)) this.#pool.release(slab);
  }

  #flush(): void {
    if (this.#stopped || !this.#sink || this.#writing) return;
    if (this.#waiting.length === 0 && this.#slab && this.#filled > this.#start) this.#setAside(this.#slab);
    const next = this.#waiting.shift();
    if (next) this.#write(this.#sink, next);
    else if (this.#ended && this.#sink.writable) this.#sink.end();
  }

  #write(sink: Duplex, chunk: Chunk): void {
    const { slab, start, end } = chunk;
    this.#writing = chunk;
    sink.write(slab.subarray(start, end), (error) => {
      // After an error the system may still have the memory, and nothing more can be written: stop discards it.
      if (this.#stopped || error) return;
      this.#writing = undefined;
      if (slab === this.#slab) this.#letGoOfIdleSlab();
      else this.#releaseUnused(slab);
      this.#flush();
      if (this.#paused && this.#waiting.length === 0) {
        this.#paused = false;
        this.#source?.resume();
      }
    });
  }

  #end(): void {
    this.#ended = true;
    this.#flush();
  }
}

/** A remainder too small for a sensible read counts as none. */
function isFull(slab: Buffer, filled: number): boolean {
  return filled >= slab.length - slab.length / 8;
}
