// One bidirectional QUIC stream as a half-open Duplex. Reads and writes go straight to quiche; what does not fit waits for the
// connection to call again.

import { Duplex } from 'node:stream';
import { TransportError } from './errors.ts';
import { type NativeConnection, STREAM_READ, STREAM_WRITE } from './quic-native.ts';

export interface QuicStreamHost {
  readonly native: NativeConnection;
  /** How many so far. */
  readonly packetsSent: number;
  /** Sends the packets that are due, soon. */
  flush(): void;
  /** Sends them now. */
  flushNow(): void;
  /** The same; whether there is room in the network for one packet more. */
  hasRoom(): boolean;
  /** Call `writeReady` once there may be room to write again. */
  blocked(stream: QuicStream): void;
  /** The stream is over and its number done with. */
  forget(stream: QuicStream): void;
}

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const nothing = Buffer.alloc(0);
/** Packets an end without bytes is sent in: see `#finish`. */
const copiesOfEnd = 3;
/** Application error code of a reset. */
const abortCode = 1;

export class QuicStream extends Duplex {
  readonly id: number;
  readonly #host: QuicStreamHost;
  #reading = false;
  #finished = false;
  #finishing: (() => void) | undefined;
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
    if (this.#reading) this.#pull();
    else this.#peek();
  }

  /** There may be room to write again. */
  writeReady(): void {
    if (this.#pending) this.#push();
    else if (this.#finishing) this.#finish(this.#finishing);
  }

  /** Ends both directions so that the peer sees an abort. */
  reset(): void {
    this.#shutdown(STREAM_WRITE, abortCode);
    this.#finished = true;
    this.destroy();
  }

  override _read(): void {
    this.#reading = true;
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
    if (!this.readableEnded) this.#shutdown(STREAM_READ, 0);
    this.#host.forget(this);
    if (!this.#finished) this.#endWriting();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.done(error ?? new TransportError('the stream was closed'));
    this.#host.flush();
    done(error);
  }

  /** Everything written gets out and then a proper end; half a chunk does not pass for the whole. */
  #endWriting(): void {
    if (this.#pending) this.#shutdown(STREAM_WRITE, abortCode);
    else this.#finish(() => {});
  }

  /**
   * quiche forgets a stream, end and all, when everything else in it is acknowledged before the end has arrived. An end that
   * travels with the last bytes is safe. One that comes after them goes out at once, is held back while the network takes
   * nothing (quiche's own idea of how much it takes is too old to be asked), and is sent in copies: when its packet is lost and
   * those before it arrive, quiche does not send it again.
   */
  #finish(done: () => void): void {
    this.#finishing = done;
    const alone = this.#unsentAt !== this.#host.packetsSent;
    if (alone && !this.#host.hasRoom()) return void this.#host.blocked(this);
    this.#finishing = undefined;
    this.#finished = true;
    for (let copy = 0; copy < (alone ? copiesOfEnd : 1); copy += 1) {
      this.#try(() => this.#host.native.streamSend(this.id, nothing, true));
      this.#host.flushNow();
    }
    done();
  }

  #pull(): void {
    const { native } = this.#host;
    while (this.#reading && !this.destroyed) {
      const got = this.#try(() =>
        native.streamReadable(this.id) ? native.streamRecv(this.id, readBuffer) : null,
      );
      if (got === null) return;
      if (got instanceof Error) return void this.destroy(got);
      const [bytes, fin] = got;
      if (bytes > 0 && !this.push(Buffer.from(readBuffer.subarray(0, bytes)))) this.#reading = false;
      if (fin) {
        this.#reading = false;
        this.push(null);
      }
      this.#host.flush();
    }
  }

  /** Nobody reads: what is there stays where it is, but a reset has taken it away. quiche tells of an end once only. */
  #peek(): void {
    const got = this.#try(() => this.#host.native.streamRecv(this.id, nothing));
    if (got instanceof Error) this.destroy(got);
    else if (got?.[1]) this.push(null);
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
