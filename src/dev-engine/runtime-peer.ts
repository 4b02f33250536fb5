// The other end of one protocol connection, TLS or a QUIC stream alike: its bytes, where it comes from, and what it proved.

import { X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { PacketChannels } from '../rstream/packet-channel.ts';
import type { QuicClient } from '../rstream/quic-listener.ts';
import { RUNTIME_ALPN } from '../rstream/tls-options.ts';
import type { EngineConnection } from '../rstream/transport.ts';
import { plainAddress } from './visitor-access.ts';

export interface ClientCertificate {
  /** Signed by the engine's authority. */
  readonly authorized: boolean;
  readonly commonName: string | undefined;
}

export interface RuntimePeer {
  readonly stream: Duplex;
  readonly transport: 'tls' | 'quic';
  readonly address: string;
  readonly port: number | undefined;
  /** Lower-case. */
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  readonly certificate: ClientCertificate;
  /** Whether it resumed an earlier TLS session. */
  readonly resumed: boolean;
  /** DATAGRAM frames of the connection below. */
  readonly datagrams: PacketChannels | undefined;
}

export function tlsPeer(socket: TLSSocket): RuntimePeer {
  socket.setKeepAlive(true, 30_000);
  // Node keeps the client's SNI as `servername`, false when there was none; its types do not know it on servers.
  const name = 'servername' in socket ? socket.servername : undefined;
  return {
    stream: socket,
    transport: 'tls',
    address: plainAddress(socket.remoteAddress),
    port: socket.remotePort,
    serverName: typeof name === 'string' && name ? name.toLowerCase() : undefined,
    alpn: socket.alpnProtocol || undefined,
    certificate: tlsCertificate(socket),
    resumed: socket.isSessionReused(),
    datagrams: undefined,
  };
}

export function tlsCertificate(socket: TLSSocket): ClientCertificate {
  const name = socket.getPeerCertificate().subject?.CN;
  return { authorized: socket.authorized, commonName: Array.isArray(name) ? name[0] : name };
}

/** quiche refuses a certificate it cannot verify, so one that is there is a good one. */
export function quicPeer(stream: EngineConnection, { connection, address }: QuicClient): RuntimePeer {
  const [leaf] = connection.native.peerCertChain() ?? [];
  return {
    stream: stream.stream,
    transport: 'quic',
    address: plainAddress(address.host),
    port: address.port,
    serverName: connection.native.serverName()?.toLowerCase(),
    alpn: RUNTIME_ALPN,
    resumed: false,
    certificate: { authorized: leaf !== undefined, commonName: leaf && commonNameOf(leaf) },
    datagrams: stream.datagrams,
  };
}

function commonNameOf(certificate: Uint8Array): string | undefined {
  return /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1];
}
