// One open tunnel as the engine sees it: who holds it, what it may do, and the streams that run through it.

import type { Socket } from 'node:net';
import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import type { Payload } from '../rstream/messages.ts';
import type { PacketChannels } from '../rstream/packet-channel.ts';
import type { AddressCheck } from './visitor-access.ts';

/** The control connection a tunnel was opened on. */
export interface TunnelOwner {
  /** The client's id. */
  readonly id: string;
  readonly user: string;
  /** False once the control connection is gone. */
  readonly open: boolean;
  /** DATAGRAM frames of the control connection's QUIC connection. */
  readonly datagrams?: PacketChannels | undefined;
  send(payload: Payload): boolean;
}

export interface Tunnel {
  readonly id: string;
  readonly owner: TunnelOwner;
  /** Effective properties, as the client was answered. */
  readonly properties: TunnelProperties;
  readonly createdAt: Date;
  /** `host:<name>` or `port:<number>`; undefined for private tunnels. */
  readonly route: string | undefined;
  readonly checkAddress: AddressCheck;
  /** The agent's side of each established stream or flow. */
  readonly streams: Set<{ destroy(): void }>;
  /** Takes a visitor's connection whose ClientHello is still unread; undefined unless published over TLS. */
  readonly acceptTls: ((raw: Socket) => void) | undefined;
  /** Lets go of idle upstream connections; streams in use go on. Idempotent. */
  retire(): void;
}
