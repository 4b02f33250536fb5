// Packets over bytes: each one framed by the same 4-byte length as messages, up to 65 535 bytes, empty ones included. Reliable
// and ordered; when the other side does not keep up, packets are dropped rather than kept, as UDP would.

import type { Duplex } from 'node:stream';
import { type Clock, systemClock } from '../common/clock.ts';
import { FrameTooLargeError } from './errors.ts';
import { encodeFrame, FrameReader, MAX_FRAME_BYTES } from './frame.ts';
import type { PacketChannel } from './packet-channel.ts';

/** Bytes not yet taken by the kernel above which a packet is dropped. */
const maxQueuedBytes = 1024 * 1024;

/** How long the last packets may take once the flow is closed. */
const lingerMs = 5_000;

export class FramedPackets implements PacketChannel {
  readonly maxPacketBytes = MAX_FRAME_BYTES;
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #reader = new FrameReader();
  readonly #clock: Clock;
  #handler: ((packet: Buffer) => void) | undefined;
  #closing = false;

  /** Takes the stream over, which must have an error listener and no reader. */
  constructor(stream: Duplex, clock: Clock = systemClock) {
    this.#stream = stream;
    this.#clock = clock;
    this.closed = new Promise((resolve) => {
      if (stream.closed) resolve();
      else stream.once('close', () => resolve());
    });
  }

  send(packet: Uint8Array): boolean {
    if (packet.length > MAX_FRAME_BYTES || !this.#stream.writable) return false;
    if (this.#stream.writableLength > maxQueuedBytes) return false;
    this.#stream.write(encodeFrame(packet));
    return true;
  }

  receive(handler: (packet: Buffer) => void): void {
    const reading = this.#handler !== undefined;
    this.#handler = handler;
    if (reading) return;
    this.#stream.on('data', (chunk: Buffer) => {
      // Closing drains the stream; nobody is to hear of that.
      if (this.#closing) return;
      this.#reader.push(chunk);
      for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
        if (packet instanceof FrameTooLargeError) return void this.#stream.destroy(packet);
        this.#handler?.(packet);
        if (this.#closing) return;
      }
    });
    this.#stream.once('end', () => this.close());
    // It may come paused, and then a listener alone starts nothing.
    this.#stream.resume();
  }

  close(): void {
    this.#closing = true;
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    const timer = this.#clock.after(lingerMs, () => this.#stream.destroy(), { unref: true });
    this.#stream.once('close', () => timer.cancel());
    this.#stream.end(() => this.#stream.destroy());
    this.#stream.resume();
  }
}
