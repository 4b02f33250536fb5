// A datagram tunnel carries packets, not bytes: one PacketChannel per visitor flow, over framed bytes (reliable) or over
// QUIC DATAGRAM frames (fast, lossy). Users of it need not know which.

export interface PacketChannel {
  /** Larger packets are refused by `send`. May shrink while the path is probed. */
  readonly maxPacketBytes: number;
  /** Sends one packet (empty is fine); false when it was dropped: too large, channel closed, or the queue is full. */
  send(packet: Uint8Array): boolean;
  /** Takes packets from now on, those waiting first, instead of who took them before. The handler must not throw and must copy what it keeps. */
  receive(handler: (packet: Buffer) => void): void;
  /** Idempotent. */
  close(): void;
  /** Resolves when the channel has ended, whoever ended it. */
  readonly closed: Promise<void>;
}

/** The DATAGRAM side of one QUIC connection. */
export interface PacketChannels {
  /** A channel under a 12-byte id; throws when the id is in use or there are too many. */
  open(id: Buffer): PacketChannel;
}
