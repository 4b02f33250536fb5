// What a tunnel delivers: one visitor's connection, dialled back to the engine and ready for payload.

import type { PacketChannel } from './packet-channel.ts';
import type { EngineConnection } from './transport.ts';

interface StreamFacts {
  /** The engine's id of this stream. */
  readonly id: string;
  /** The visitor's address as the engine tells it. */
  readonly sourceIp: string | undefined;
}

/** Raw bytes both ways. The connection is paused; what followed the handshake is the first thing it reads. */
export interface ByteStream extends StreamFacts {
  readonly kind: 'bytes';
  readonly connection: EngineConnection;
}

/** One flow of packets of a datagram tunnel. */
export interface PacketStream extends StreamFacts {
  readonly kind: 'packets';
  readonly packets: PacketChannel;
}

export type ProxiedStream = ByteStream | PacketStream;
