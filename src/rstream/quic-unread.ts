// What lies in the streams of a connection and nobody reads. quiche does not tell how much it is: it is no more than these
// streams may hold, and no more than has come since there was nothing, less what has been read.

import { MAX_STREAM_WINDOW, STREAM_WINDOW } from './quic-config.ts';
import type { NativeConnection } from './quic-native.ts';

/** With this much unread, no further stream is opened. Within the 256 MiB of an agent's Pod. */
export const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
/** As much of it is taken over when the connection ends; until the memory of the connection is free, it is held twice. */
export const MAX_RESCUED_BYTES = 16 * 1024 * 1024;
/** Header, frame and seal of a packet, at least. */
const packetOverhead = 40;

export class QuicUnread {
  readonly #native: Pick<NativeConnection, 'stats'>;
  /** What each may hold. */
  readonly #streams = new Map<object, number>();
  #mayHold = 0;
  #read = 0;
  #atFirst = 0;

  constructor(native: Pick<NativeConnection, 'stats'>) {
    this.#native = native;
  }

  get full(): boolean {
    return this.#mayHold >= MAX_UNREAD_BYTES && this.#received() - this.#atFirst >= MAX_UNREAD_BYTES;
  }

  /** A stream has something to read that is left where it is. `read`: its bytes that were read, by which its window grows. */
  add(stream: object, read: number): void {
    if (this.#streams.has(stream)) return;
    if (this.#streams.size === 0) this.#atFirst = this.#received();
    const bytes = Math.min(Math.max(STREAM_WINDOW, 2 * read), MAX_STREAM_WINDOW);
    this.#streams.set(stream, bytes);
    this.#mayHold += bytes;
  }

  delete(stream: object): void {
    this.#mayHold -= this.#streams.get(stream) ?? 0;
    this.#streams.delete(stream);
  }

  /** Bytes were read, of any stream or datagram. */
  read(bytes: number): void {
    this.#read += bytes;
  }

  #received(): number {
    const { recv, recvBytes } = this.#native.stats();
    return recvBytes - recv * packetOverhead - this.#read;
  }
}
