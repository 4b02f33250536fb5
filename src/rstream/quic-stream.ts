// One bidirectional QUIC stream as a half-open Duplex. Reads and writes go straight to quiche; what does not fit waits for the
// connection to call again.

import { Duplex } from 'node:stream';
import { TransportError } from './errors.ts';
import { type NativeConnection, STREAM_READ, STREAM_WRITE } from './quic-native.ts';
import type { QuicUnread } from './quic-unread.ts';

export interface QuicStreamHost {
  readonly native: NativeConnection;
  /** How many so far. */
  readonly packetsSent: number;
  /** Streams with something to read that nobody reads. */
  readonly unread: QuicUnread;
  /** Sends the packets that are due, soon. */
  flush(): void;
  /** Sends them now. */
  flushNow(): void;
  /** The same; whether nothing seems to be under way. */
  isQuiet(): boolean;
  /** Calls back once what was sent so far has arrived, as good as certainly. */
  whenSettled(settled: () => void): void;
  /** Call `writeReady` once there may be room to write again. */
  blocked(stream: QuicStream): void;
  /** The stream is over and its number done with. */
  forget(stream: QuicStream): void;
}

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const nothing = Buffer.alloc(0);
/** Packets an end without bytes is sent in, just before quiche may forget it: what has arrived is never quite certain. */
const copiesOfEnd = 3;
/** Application error code of a reset. */
const abortCode = 1;

export class QuicStream extends Duplex {
  readonly id: number;
  readonly #host: QuicStreamHost;
  #reading = false;
  #bytesRead = 0;
  #bytesWritten = 0;
  /** The other side's end has been taken from quiche. */
  #heardEnd = false;
  /**
   * Our end. One that travels with the last bytes is safe at once. quiche forgets a stream, end and all, when the other side's
   * end has been taken and all bytes are acknowledged, whatever became of ours (https://github.com/cloudflare/quiche/issues/2525).
   * So one that comes after the bytes is held until they have arrived, or, where the other side has not ended yet, it goes out
   * and nothing is taken from quiche until it has arrived.
   */
  #ending: 'no' | 'held' | 'abort held' | 'under way' | 'safe' = 'no';
  /** The packets that had been sent when the last bytes were written. */
  #unsentAt = -1;
  #pending: { chunk: Buffer; done: (error?: Error | null) => void } | undefined;

  constructor(id: number, host: QuicStreamHost) {
    super({ allowHalfOpen: true, autoDestroy: true, highWaterMark: 64 * 1024 });
    this.id = id;
    this.#host = host;
    this.on('error', () => {});
  }

  /** There is something to read, possibly the end or a reset. */
  readReady(): void {
    if (this.#ending === 'under way' || this.#heardEnd || this.destroyed) return;
    if (this.#reading) this.#pull();
    else this.#peek();
  }

  /** There may be room to write again. */
  writeReady(): void {
    if (this.#pending) this.#push();
  }

  /** How many bytes the other side has room for, from the first one on: grows as it reads, though not with every read. */
  get allowance(): number {
    const left = this.#try(() => this.#host.native.streamCapacity(this.id));
    return this.#bytesWritten + (left instanceof Error ? 0 : left);
  }

  /** Whether nothing of its connection seems to be under way, so that nothing of this stream is. */
  get arrived(): boolean {
    return this.#host.isQuiet();
  }

  /**
   * Its connection is over: what has arrived and was left where it is, up to `atMost` bytes, is there for whoever asks, then
   * comes the error. Returns how many bytes it was.
   */
  lose(error: Error, atMost: number): number {
    const before = this.#bytesRead;
    while (!this.#heardEnd && !this.destroyed && this.#bytesRead - before < atMost && this.#take());
    this.destroy(error);
    return this.#bytesRead - before;
  }

  /** Ends both directions so that the peer sees an abort. */
  reset(): void {
    if (this.#heardEnd) {
      // As an end: it would be forgotten when the bytes before it are acknowledged.
      this.#ending = 'abort held';
      this.#host.whenSettled(() => this.#abort());
    } else {
      this.#abort();
    }
    this.destroy();
  }

  override _read(): void {
    this.#reading = true;
    this.#host.unread.delete(this);
    this.#pull();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pending = { chunk, done };
    this.#push();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#finish(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    // Everything written gets out and then a proper end; half a chunk does not pass for the whole.
    if (pending) this.reset();
    else if (this.#ending === 'no') this.#finish(() => {});
    else if (this.#ending === 'safe') this.#leave();
    pending?.done(error ?? new TransportError('the stream was closed'));
    this.#host.flush();
    done(error);
  }

  #abort(): void {
    this.#shutdown(STREAM_WRITE, abortCode);
    this.#becomeSafe();
  }

  #finish(done: () => void): void {
    if (this.#unsentAt === this.#host.packetsSent) {
      this.#sendEnd(1);
      this.#becomeSafe();
      done();
    } else if (this.#heardEnd) {
      this.#ending = 'held';
      this.#host.whenSettled(() => this.#release(done));
    } else {
      this.#sendEnd(1);
      this.#ending = 'under way';
      this.#host.whenSettled(() => this.#arrived());
      done();
    }
  }

  #release(done: () => void): void {
    if (this.#ending === 'held') {
      this.#sendEnd(copiesOfEnd);
      this.#becomeSafe();
    }
    done();
  }

  #arrived(): void {
    if (this.#ending !== 'under way') return;
    this.#sendEnd(copiesOfEnd);
    this.#becomeSafe();
    this.readReady();
  }

  #becomeSafe(): void {
    this.#ending = 'safe';
    // As long as somebody waits, what is lost is looked for.
    this.#host.whenSettled(() => {});
    if (this.destroyed) this.#leave();
  }

  #sendEnd(copies: number): void {
    for (let copy = 0; copy < copies; copy += 1) {
      this.#try(() => this.#host.native.streamSend(this.id, nothing, true));
      this.#host.flushNow();
    }
  }

  /** quiche may forget the stream. */
  #leave(): void {
    if (!this.#heardEnd) this.#shutdown(STREAM_READ, 0);
    this.#host.forget(this);
    this.#host.flush();
  }

  #pull(): void {
    while (this.#reading && !this.destroyed && this.#ending !== 'under way' && this.#take());
  }

  /** Whether there may be more. */
  #take(): boolean {
    const { native } = this.#host;
    const got = this.#try(() =>
      native.streamReadable(this.id) ? native.streamRecv(this.id, readBuffer) : null,
    );
    if (got === null) return false;
    if (got instanceof Error) {
      this.#broken(got);
      return false;
    }
    const [bytes, fin] = got;
    this.#bytesRead += bytes;
    this.#host.unread.read(bytes);
    if (bytes > 0 && !this.push(Buffer.from(readBuffer.subarray(0, bytes)))) this.#reading = false;
    if (fin) {
      this.#reading = false;
      this.#heardEnd = true;
      this.push(null);
    }
    this.#host.flush();
    return !fin;
  }

  /** Nobody reads: what is there stays where it is, but a reset has taken it away. quiche tells of an end once only. */
  #peek(): void {
    const got = this.#try(() => this.#host.native.streamRecv(this.id, nothing));
    if (got instanceof Error) return void this.#broken(got);
    if (got === null) return;
    if (!got[1]) return void this.#host.unread.add(this, this.#bytesRead);
    this.#heardEnd = true;
    this.push(null);
  }

  #broken(error: Error): void {
    this.#heardEnd = true;
    this.destroy(error);
  }

  #push(): void {
    while (this.#pending) {
      const { chunk, done } = this.#pending;
      const sent = this.#try(() => this.#host.native.streamSend(this.id, chunk, false));
      if (sent instanceof Error) {
        this.#pending = undefined;
        done(sent);
        return;
      }
      this.#unsentAt = this.#host.packetsSent;
      this.#bytesWritten += sent ?? 0;
      this.#host.flush();
      if (sent === null || sent < chunk.length) {
        this.#pending.chunk = chunk.subarray(sent ?? 0);
        this.#host.blocked(this);
        return;
      }
      this.#pending = undefined;
      done();
    }
  }

  #shutdown(direction: number, code: number): void {
    this.#try(() => this.#host.native.streamShutdown(this.id, direction, code) ?? null);
  }

  /** quiche's complaints, as values. */
  #try<T>(act: () => T): T | TransportError {
    try {
      return act();
    } catch (cause) {
      return new TransportError('the QUIC stream was closed by the other side', { cause });
    }
  }
}
