// How our QUIC connections are set up: ALPN rstrm/1, certificates verified, windows wide enough for bulk, datagrams on.

import { rootCertificates } from 'node:tls';
import { messageOf } from '../common/errors.ts';
import { RstreamError } from './errors.ts';
import { MAX_PACKET_BYTES, type NativeConfig, nativeQuic } from './quic-native.ts';
import { RUNTIME_ALPN, type TlsMaterial } from './tls-options.ts';

export const IDLE_TIMEOUT_MS = 30_000;
/** Packets waiting between quiche and us, or quiche and the network. */
const datagramQueue = 1_024;
/** Bytes of one stream that the peer may send before we read: to begin with, and when it is read as fast as it comes. */
export const STREAM_WINDOW = 256 * 1024;
export const MAX_STREAM_WINDOW = 1024 * 1024;
/**
 * No limit for all streams together: one would be used up by those that nobody reads, and the control stream with them. quiche
 * also never gives back what a stream held that was given up, and keeps to a far smaller limit once this one has been used.
 * What streams hold is bounded by opening no more of them (`QuicUnread`).
 */
const connectionWindow = 2 ** 50;
const signatureAlgorithms = [
  ...['rsa_pkcs1_sha256', 'rsa_pkcs1_sha384', 'rsa_pkcs1_sha512'],
  ...['rsa_pss_rsae_sha256', 'rsa_pss_rsae_sha384', 'rsa_pss_rsae_sha512'],
  ...['ecdsa_secp256r1_sha256', 'ecdsa_secp384r1_sha384', 'ecdsa_secp521r1_sha512', 'ed25519'],
].join(':');

export interface QuicRole {
  readonly role: 'client' | 'server';
  /** Streams the other side may have open at one time. */
  readonly incomingStreams: number;
}

/** Throws ERR_RSTREAM_UNSUPPORTED_TRANSPORT or ERR_RSTREAM_TLS_CONFIGURATION. */
export function quicConfig(material: TlsMaterial, { role, incomingStreams }: QuicRole): NativeConfig {
  const config = secured(material, role);
  config.setApplicationProtos([RUNTIME_ALPN]);
  config.setMaxIdleTimeout(IDLE_TIMEOUT_MS);
  config.setMaxRecvUdpPayloadSize(65_527);
  config.setMaxSendUdpPayloadSize(MAX_PACKET_BYTES);
  config.setInitialMaxData(connectionWindow);
  config.setInitialMaxStreamDataBidiLocal(STREAM_WINDOW);
  config.setInitialMaxStreamDataBidiRemote(STREAM_WINDOW);
  config.setInitialMaxStreamDataUni(0);
  config.setInitialMaxStreamsBidi(incomingStreams);
  config.setInitialMaxStreamsUni(0);
  config.setMaxConnectionWindow(connectionWindow);
  config.setMaxStreamWindow(MAX_STREAM_WINDOW);
  config.setDisableActiveMigration(true);
  config.enablePacing(false);
  // With the other ones and a small congestion window, quiche dates packets back by its pacer's clock, takes the round trip for
  // seconds where it is milliseconds, and waits as long before it looks for what was lost last.
  config.setCcAlgorithmName('bbr');
  config.enableDgram(true, datagramQueue, datagramQueue);
  return config;
}

/** A client trusts `ca` or the system's roots; a server with a `ca` asks for client certificates of it, but needs none. */
function secured({ ca, cert, key }: TlsMaterial, role: QuicRole['role']): NativeConfig {
  const { Config } = nativeQuic();
  const roots = ca ?? (role === 'client' ? rootCertificates.join('\n') : undefined);
  const trusted = roots === undefined ? null : Buffer.from(roots);
  const certs = cert === undefined ? null : [Buffer.from(cert)];
  const keys = key === undefined ? null : [Buffer.from(key)];
  try {
    const verify = role === 'client';
    const config = Config.withBoringSslCtx(verify, false, trusted, keys, certs, signatureAlgorithms);
    if (role === 'server' && trusted) config.verifyPeer(true);
    return config;
  } catch (cause) {
    throw new RstreamError(
      'ERR_RSTREAM_TLS_CONFIGURATION',
      `the CA or the certificate cannot be used for QUIC: ${messageOf(cause)}`,
      { cause },
    );
  }
}
