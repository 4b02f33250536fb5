// Frames: a 4-byte big-endian length and that many bytes, at most 65 535. The reader is incremental, hands out bodies in
// order, refuses a header that announces more before any body is read, and gives back whatever followed the last frame.

import { FrameTooLargeError } from './errors.ts';

export const MAX_FRAME_BYTES = 65_535;
export const FRAME_HEADER_BYTES = 4;

/** A frame around `body`; throws FrameTooLargeError above 65 535 bytes. */
export function encodeFrame(body: Uint8Array): Buffer {
  if (body.length > MAX_FRAME_BYTES) throw new FrameTooLargeError(body.length);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Push chunks in, take bodies out until `next` returns undefined, then push again: it never holds more than one frame
 * and one chunk. A too large announcement is returned, not thrown, and returned for ever after.
 */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #failure: FrameTooLargeError | undefined;

  /** Whether the input may end here: no frame is half read. */
  get atBoundary(): boolean {
    return this.#buffered === 0 && this.#failure === undefined;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#failure) return;
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /** The next body (possibly empty), undefined when more input is needed, or the error that ends the connection. */
  next(): Buffer | FrameTooLargeError | undefined {
    if (this.#failure) return this.#failure;
    if (this.#buffered < FRAME_HEADER_BYTES) return undefined;
    const length = this.#peekLength();
    if (length > MAX_FRAME_BYTES) {
      this.#failure = new FrameTooLargeError(length);
      this.#chunks = [];
      this.#buffered = 0;
      return this.#failure;
    }
    if (this.#buffered < FRAME_HEADER_BYTES + length) return undefined;
    return this.#take(FRAME_HEADER_BYTES + length).subarray(FRAME_HEADER_BYTES);
  }

  /** Everything not consumed yet, and forgets it: payload that followed the last frame belongs to someone else. */
  remainder(): Buffer {
    return this.#take(this.#buffered);
  }

  #peekLength(): number {
    const first = this.#chunks[0];
    if (first && first.length >= FRAME_HEADER_BYTES) {
      return new DataView(first.buffer, first.byteOffset, FRAME_HEADER_BYTES).getUint32(0);
    }
    return this.#merge().readUInt32BE(0);
  }

  #take(bytes: number): Buffer {
    const all = this.#merge();
    const rest = all.subarray(bytes);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#buffered = rest.length;
    return all.subarray(0, bytes);
  }

  #merge(): Buffer {
    const [first] = this.#chunks;
    const merged =
      first && this.#chunks.length === 1
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#chunks);
    this.#chunks = [merged];
    return merged;
  }
}
