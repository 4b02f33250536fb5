// A flow of packets whose engine is the test.

import type { PacketChannel } from '../../src/rstream/packet-channel.ts';

export class TestPackets implements PacketChannel {
  readonly maxPacketBytes = 65_535;
  readonly sent: Buffer[] = [];
  readonly #closed = Promise.withResolvers<void>();
  readonly closed = this.#closed.promise;
  full = false;
  #handler: ((packet: Buffer) => void) | undefined;

  get taken(): boolean {
    return this.#handler !== undefined;
  }

  send(packet: Uint8Array): boolean {
    if (!this.full) this.sent.push(Buffer.from(packet));
    return !this.full;
  }

  receive(handler: (packet: Buffer) => void): void {
    this.#handler = handler;
  }

  arrive(packet: Buffer): void {
    this.#handler?.(packet);
  }

  close(): void {
    this.#closed.resolve();
  }
}
