// Whom a new QUIC client wants to talk to, found out before a single packet is sent back: one UDP port then serves the engine
// itself and published tunnels, told apart by server name as TLS connections are.

import type { NativeConnection, QuicPeer } from './quic-native.ts';
import { MAX_PACKET_BYTES } from './quic-native.ts';

export type Admission =
  /** The ClientHello has not arrived completely. */
  | { readonly kind: 'undecided' }
  /** Somebody else's; these packets are theirs. */
  | { readonly kind: 'foreign'; readonly serverName: string; readonly packets: readonly Buffer[] }
  /** Ours; `answer` is the first packet to send, when deciding has already produced it. */
  | { readonly kind: 'ours'; readonly answer?: Buffer };

/** A ClientHello takes two or three packets at most. */
const maxPackets = 8;
/** quiche waits at most a second or so for an answer to its hello; when nothing but an acknowledgement went out, it waits longer. */
const retransmissionMs = 10_000;

export class PendingClient {
  readonly native: NativeConnection;
  readonly #packets: Buffer[] = [];

  /** `native` is a server's connection that has received nothing yet. */
  constructor(native: NativeConnection) {
    this.native = native;
  }

  receive(
    packet: Buffer,
    info: { readonly from: QuicPeer; readonly to: QuicPeer },
    isForeign: (serverName: string) => boolean,
  ): Admission {
    if (this.#packets.length >= maxPackets) return { kind: 'undecided' };
    this.#packets.push(packet);
    try {
      // quiche decrypts in place, and what is passed on must be what came.
      this.native.recv(Buffer.from(packet), info);
    } catch {
      // A hello we would refuse (no common ALPN) still names its server.
    }
    const serverName = this.native.serverName()?.toLowerCase();
    if (serverName) {
      if (isForeign(serverName)) return { kind: 'foreign', serverName, packets: this.#packets };
      return { kind: 'ours' };
    }
    return this.#unnamed();
  }

  /** No name so far: either the hello has none, and an answer is ready, or it is not complete. */
  #unnamed(): Admission {
    const answer = Buffer.alloc(MAX_PACKET_BYTES);
    try {
      const sent = this.native.send(answer);
      const awaited = (this.native.timeout() ?? retransmissionMs) < retransmissionMs;
      if (sent && awaited) return { kind: 'ours', answer: answer.subarray(0, sent[0]) };
    } catch {
      return { kind: 'ours' };
    }
    return { kind: 'undecided' };
  }
}
