// Takes from quiche the packets that are due and sends them, in memory that is used again where the socket allows it.

import { MAX_PACKET_BYTES, type NativeConnection, type QuicPeer } from './quic-native.ts';

/** Sent in one turn at most, so that one busy connection neither holds up the others nor floods its peer's socket. */
const packetsPerTurn = 128;

export class QuicPackets {
  readonly #native: NativeConnection;
  readonly #send: (packet: Buffer, to: QuicPeer) => boolean;
  #memory = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
  #sent = 0;

  /** `send` returns true when it has no more use for the memory. */
  constructor(native: NativeConnection, send: (packet: Buffer, to: QuicPeer) => boolean) {
    this.#native = native;
    this.#send = send;
  }

  /** How many so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends what one turn may; true when there may be more. */
  sendSome(): boolean {
    for (let count = 0; count < packetsPerTurn; count += 1) {
      const next = this.#next();
      if (!next) return false;
      const [bytes, { to }] = next;
      this.#sent += 1;
      const done = this.#send(this.#memory.subarray(0, bytes), to);
      if (!done) this.#memory = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
    }
    return true;
  }

  #next(): ReturnType<NativeConnection['send']> {
    try {
      return this.#native.send(this.#memory);
    } catch {
      return null;
    }
  }
}
