// One direction of a relay: bytes a socket reads land in slabs and are written from there, without a copy in between.
// At most one write is under way; meanwhile one slab fills, and when that is full the source is paused. So a stalled
// reader costs two slabs, however much is sent to it. Slabs start small and grow only while reads fill them.
//
// A socket is told where its next read lands right after the last one, so the slab being filled stays with its pump until
// a read has moved on to another: what was read meanwhile is written from its front while its back may still be filled.

import type { Duplex } from 'node:stream';
import type { ByteSink } from '../rstream/transport.ts';
import { type SlabPool, slabSizes } from './slab-pool.ts';

/** A TLS record carries this much at most; a read of so much is likely followed by another one in the same turn. */
const fullRecord = 16 * 1024;

const sizes: readonly number[] = slabSizes;

/** What reads land in after the end, when nobody wants it any more. */
const scrap = Buffer.alloc(1024);

/** Bytes of a slab on their way out. */
interface Part {
  readonly slab: Buffer;
  readonly from: number;
  readonly to: number;
  /** Nothing more of the slab comes after it. */
  readonly last: boolean;
}

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
  /** The slab being filled; what was read and not set aside lies from `#from` to `#filled`. */
  #slab: Buffer | undefined;
  #from = 0;
  #filled = 0;
  #wanted: number = slabSizes[0];
  /** Usually one part or none; a few when decrypted records keep coming after a pause. */
  readonly #waiting: Part[] = [];
  #writing: Part | undefined;
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
    this.#flushPart();
  }

  /** Whether everything read has been handed to the sink's system buffers. */
  get drained(): boolean {
    return this.#writing === undefined && this.#waiting.length === 0 && this.#filled === this.#from;
  }

  /** Gives the memory back. Call when both sockets are closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const slabs = new Set(this.#waiting.splice(0).map(({ slab }) => slab));
    if (this.#slab) slabs.add(this.#slab);
    if (this.#writing) {
      slabs.delete(this.#writing.slab);
      this.#pool.discard(this.#writing.slab);
    }
    for (const slab of slabs) this.#pool.release(slab);
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
        this.#flushPart();
      });
    }
  }

  /** The whole slab is spoken for; the next one is larger when this one was full, smaller when it was hardly used. */
  #setAside(slab: Buffer): void {
    const bytes = this.#filled - this.#from;
    const position = sizes.indexOf(slab.length);
    if (isFull(slab, bytes)) this.#wanted = sizes[position + 1] ?? slab.length;
    else if (bytes < slab.length / 16) this.#wanted = sizes[position - 1] ?? slab.length;
    this.#waiting.push({ slab, from: this.#from, to: this.#filled, last: true });
    this.#slab = undefined;
    this.#from = 0;
    this.#filled = 0;
  }

  /** For use within a read only: the socket asks for the next buffer right afterwards, so this slab can go. */
  #flush(): void {
    if (!this.#canWrite()) return;
    if (this.#waiting.length === 0 && this.#slab && this.#filled > this.#from) this.#setAside(this.#slab);
    this.#writeNext();
  }

  /** For use at any other time: the next read lands behind what is written now. */
  #flushPart(): void {
    if (!this.#canWrite()) return;
    if (this.#waiting.length === 0 && this.#slab && this.#filled > this.#from) {
      this.#waiting.push({ slab: this.#slab, from: this.#from, to: this.#filled, last: false });
      this.#from = this.#filled;
    }
    this.#writeNext();
  }

  #canWrite(): boolean {
    return !this.#stopped && this.#sink !== undefined && this.#writing === undefined;
  }

  #writeNext(): void {
    const next = this.#waiting.shift();
    if (next && this.#sink) {
      this.#write(this.#sink, next);
    } else {
      if (this.#ended && this.#sink?.writable) this.#sink.end();
      this.onDrained?.();
    }
  }

  #write(sink: Duplex, part: Part): void {
    const { slab, from, to, last } = part;
    this.#writing = part;
    sink.write(slab.subarray(from, to), (error) => {
      if (this.#stopped) return;
      this.#writing = undefined;
      if (error) {
        if (last) this.#pool.discard(slab);
        return;
      }
      if (last) this.#pool.release(slab);
      this.#flushPart();
      if (this.#paused && this.#waiting.length === 0) {
        this.#paused = false;
        this.#source?.resume();
      }
    });
  }

  #end(): void {
    this.#ended = true;
    this.#flushPart();
  }
}

/** A remainder too small for a sensible read counts as none. */
function isFull(slab: Buffer, filled: number): boolean {
  return filled >= slab.length - slab.length / 8;
}
