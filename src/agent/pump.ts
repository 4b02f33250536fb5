// One direction of a relay: bytes a socket reads land in slabs and are written from there, without a copy in between.
// At most one write is under way; meanwhile one slab fills, and when that is full the source is paused. So a stalled
// reader costs two slabs, however much is sent to it. Slabs start small and grow only while reads fill them.

import type { Duplex } from 'node:stream';
import type { ByteSink } from '../rstream/transport.ts';
import { type SlabPool, slabSizes } from './slab-pool.ts';

/** A TLS record carries this much at most; a read of so much is likely followed by another one in the same turn. */
const fullRecord = 16 * 1024;

const sizes: readonly number[] = slabSizes;

/** What reads land in after the end, when nobody wants it any more. */
const scrap = Buffer.alloc(1024);

export interface PumpOptions {
  readonly pool: SlabPool;
  /** Told about every read. */
  readonly count: (bytes: number) => void;
  /** Whether reads come record by record, so that waiting for the end of the turn saves writes. Default false. */
  readonly gather?: boolean;
}

export class Pump implements ByteSink {
  readonly #pool: SlabPool;
  readonly #count: (bytes: number) => void;
  readonly #gather: boolean;
  #source: Duplex | undefined;
  #sink: Duplex | undefined;
  /** The slab being filled, and how far. */
  #slab: Buffer | undefined;
  #filled = 0;
  #wanted: number = slabSizes[0];
  /** Parts of slabs that filled up during a write: one, or a few when decrypted records keep coming after a pause. */
  readonly #waiting: Array<{ readonly slab: Buffer; readonly bytes: number }> = [];
  #writing: Buffer | undefined;
  #paused = false;
  #flushPlanned = false;
  #ended = false;
  #stopped = false;
  /** Called whenever everything read has been written. Must not throw. */
  onDrained: (() => void) | undefined;

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
    return this.#writing === undefined && this.#waiting.length === 0 && this.#filled === 0;
  }

  /** Gives the memory back. Call when both sockets are closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const { slab } of this.#waiting.splice(0)) this.#pool.release(slab);
    if (this.#slab) this.#pool.release(this.#slab);
    if (this.#writing) this.#pool.discard(this.#writing);
    this.#slab = undefined;
  }

  buffer(): Uint8Array {
    if (this.#stopped) return scrap;
    this.#slab ??= this.#pool.acquire(this.#wanted);
    return this.#filled === 0 ? this.#slab : this.#slab.subarray(this.#filled);
  }

  received(bytes: number, buffer: Uint8Array): boolean {
    if (this.#stopped) return false;
    this.#count(bytes);
    if (this.#slab && buffer.buffer === this.#slab.buffer) this.#advance(this.#slab, bytes);
    else this.#copy(buffer.subarray(0, bytes));

    if (!this.#writing) this.#plan(this.#waiting.length > 0 || bytes < fullRecord);
    this.#paused = this.#waiting.length > 0;
    return !this.#paused;
  }

  /** The first read after taking over a socket may still have landed in somebody else's memory. */
  #copy(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      this.#slab ??= this.#pool.acquire(this.#wanted);
      const part = bytes.subarray(at, at + this.#slab.length - this.#filled);
      this.#slab.set(part, this.#filled);
      at += part.length;
      this.#advance(this.#slab, part.length);
    }
  }

  #advance(slab: Buffer, bytes: number): void {
    this.#filled += bytes;
    if (isFull(slab, this.#filled)) this.#setAside(slab);
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
    this.#waiting.push({ slab, bytes: this.#filled });
    this.#turnOver(slab);
  }

  /** The slab is spoken for; the next one is larger when this one was full, smaller when it was hardly used. */
  #turnOver(slab: Buffer): void {
    const position = sizes.indexOf(slab.length);
    if (isFull(slab, this.#filled)) this.#wanted = sizes[position + 1] ?? slab.length;
    else if (this.#filled < slab.length / 16) this.#wanted = sizes[position - 1] ?? slab.length;
    this.#slab = undefined;
    this.#filled = 0;
  }

  #flush(): void {
    if (this.#stopped || !this.#sink || this.#writing) return;
    if (this.#waiting.length === 0 && this.#slab && this.#filled > 0) this.#setAside(this.#slab);
    const next = this.#waiting.shift();
    if (next) {
      this.#write(this.#sink, next.slab, next.bytes);
    } else {
      if (this.#ended && this.#sink.writable) this.#sink.end();
      this.onDrained?.();
    }
  }

  #write(sink: Duplex, slab: Buffer, bytes: number): void {
    this.#writing = slab;
    sink.write(slab.subarray(0, bytes), (error) => {
      if (this.#stopped) return;
      this.#writing = undefined;
      if (error) return this.#pool.discard(slab);
      this.#pool.release(slab);
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
