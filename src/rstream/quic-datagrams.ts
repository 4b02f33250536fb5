// Datagram channels of one QUIC connection: DATAGRAM frames of a 12-byte channel id and a packet. Lossy by nature: what finds
// no channel, no room or no handler is dropped.

import { RstreamError } from './errors.ts';
import type { PacketChannel, PacketChannels } from './packet-channel.ts';

export const CHANNEL_ID_BYTES = 12;
/** Packets kept for a channel until someone receives them. */
const maxWaiting = 64;
const maxChannels = 16_384;

export interface DatagramSender {
  /** False when dropped. */
  send(datagram: Uint8Array): boolean;
  readonly maxBytes: number;
}

export class QuicDatagrams implements PacketChannels {
  readonly #sender: DatagramSender;
  readonly #channels = new Map<string, QuicPacketChannel>();

  constructor(sender: DatagramSender) {
    this.#sender = sender;
  }

  get size(): number {
    return this.#channels.size;
  }

  open(id: Buffer): PacketChannel {
    const key = id.toString('hex');
    if (id.length !== CHANNEL_ID_BYTES) throw refused('a datagram channel id has 12 bytes');
    if (this.#channels.has(key)) throw refused('the datagram channel is in use');
    if (this.#channels.size >= maxChannels) throw refused('there are too many datagram channels');
    const channel = new QuicPacketChannel(Buffer.from(id), this.#sender, () => this.#channels.delete(key));
    this.#channels.set(key, channel);
    return channel;
  }

  received(datagram: Buffer): void {
    if (datagram.length < CHANNEL_ID_BYTES) return;
    const key = datagram.toString('hex', 0, CHANNEL_ID_BYTES);
    this.#channels.get(key)?.deliver(datagram.subarray(CHANNEL_ID_BYTES));
  }

  closeAll(): void {
    for (const channel of [...this.#channels.values()]) channel.close();
  }
}

class QuicPacketChannel implements PacketChannel {
  readonly closed: Promise<void>;
  readonly #id: Buffer;
  readonly #sender: DatagramSender;
  readonly #end: () => void;
  readonly #waiting: Buffer[] = [];
  #handler: ((packet: Buffer) => void) | undefined;
  #open = true;

  constructor(id: Buffer, sender: DatagramSender, forget: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#id = id;
    this.#sender = sender;
    this.closed = promise;
    this.#end = () => {
      forget();
      resolve();
    };
  }

  get maxPacketBytes(): number {
    return Math.max(0, this.#sender.maxBytes - CHANNEL_ID_BYTES);
  }

  send(packet: Uint8Array): boolean {
    if (!this.#open || packet.length > this.maxPacketBytes) return false;
    return this.#sender.send(Buffer.concat([this.#id, packet]));
  }

  receive(handler: (packet: Buffer) => void): void {
    this.#handler = handler;
    for (const packet of this.#waiting.splice(0)) handler(packet);
  }

  deliver(packet: Buffer): void {
    if (this.#handler) this.#handler(packet);
    else if (this.#waiting.length < maxWaiting) this.#waiting.push(Buffer.from(packet));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waiting.length = 0;
    this.#end();
  }
}

function refused(message: string): RstreamError {
  return new RstreamError('ERR_RSTREAM_INVALID_TUNNEL', message);
}
