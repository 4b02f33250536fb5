// The native QUIC engine (quiche, through the platform package of @infisical/quic), typed as far as we use it. Optional: where
// the platform has none, `quicUnavailable` says so and nothing else in this file works.

import { createRequire } from 'node:module';
import { messageOf } from '../common/errors.ts';
import { RstreamError } from './errors.ts';

export interface QuicPeer {
  readonly host: string;
  readonly port: number;
}

/** One quiche connection: packets in and out, streams and datagrams by number. Methods throw strings of quiche's errors. */
export interface NativeConnection {
  recv(packet: Uint8Array, info: { readonly from: QuicPeer; readonly to: QuicPeer }): number;
  send(packet: Uint8Array): [number, { readonly to: QuicPeer }] | null;
  streamRecv(id: number, into: Uint8Array): [number, boolean] | null;
  streamSend(id: number, data: Uint8Array, fin: boolean): number | null;
  streamShutdown(id: number, direction: number, error: number): unknown;
  streamReadable(id: number): boolean;
  /** Bytes that `streamSend` would take now. */
  streamCapacity(id: number): number;
  readable(): Iterable<number>;
  /** None while the network takes nothing. */
  writable(): Iterable<number>;
  peerStreamsLeftBidi(): number;
  dgramRecvVec(): Uint8Array | null;
  dgramSend(data: Uint8Array): unknown;
  dgramMaxWritableLen(): number | null;
  isDgramSendQueueFull(): boolean;
  timeout(): number | null;
  stats(): NativeStats;
  onTimeout(): void;
  close(app: boolean, error: number, reason: Uint8Array): unknown;
  applicationProto(): Uint8Array;
  serverName(): string | null;
  peerCertChain(): readonly Uint8Array[] | null;
  isEstablished(): boolean;
  isClosed(): boolean;
  isDraining(): boolean;
  isTimedOut(): boolean;
  peerError(): NativeError | null;
  localError(): NativeError | null;
  sendAckEliciting(): void;
}

export interface NativeStats {
  /** Packets received, and their bytes. */
  readonly recv: number;
  readonly recvBytes: number;
  /** Packets found missing. */
  readonly lost: number;
  readonly peerMaxIdleTimeout: number;
}

export interface NativeError {
  readonly isApp: boolean;
  readonly errorCode: number;
  readonly reason: Uint8Array;
}

export interface NativeConfig {
  /** A server then asks for a client certificate, and checks the one it gets. */
  verifyPeer(verify: boolean): void;
  setApplicationProtos(protocols: string[]): void;
  setMaxIdleTimeout(ms: number): void;
  setMaxRecvUdpPayloadSize(bytes: number): void;
  setMaxSendUdpPayloadSize(bytes: number): void;
  setInitialMaxData(bytes: number): void;
  setInitialMaxStreamDataBidiLocal(bytes: number): void;
  setInitialMaxStreamDataBidiRemote(bytes: number): void;
  setInitialMaxStreamDataUni(bytes: number): void;
  setInitialMaxStreamsBidi(count: number): void;
  setInitialMaxStreamsUni(count: number): void;
  setMaxConnectionWindow(bytes: number): void;
  setMaxStreamWindow(bytes: number): void;
  setDisableActiveMigration(disabled: boolean): void;
  enablePacing(enabled: boolean): void;
  setCcAlgorithmName(name: string): void;
  enableDgram(enabled: boolean, receiveQueue: number, sendQueue: number): void;
}

export interface NativeQuic {
  readonly Config: {
    withBoringSslCtx(
      verifyPeer: boolean,
      verifyAllowFail: boolean,
      ca?: Uint8Array | null,
      key?: Uint8Array[] | null,
      cert?: Uint8Array[] | null,
      signatureAlgorithms?: string | null,
    ): NativeConfig;
  };
  readonly Connection: {
    connect(
      serverName: string | null,
      sourceId: Uint8Array,
      local: QuicPeer,
      remote: QuicPeer,
      config: NativeConfig,
    ): NativeConnection;
    accept(
      sourceId: Uint8Array,
      originalId: Uint8Array | null,
      local: QuicPeer,
      remote: QuicPeer,
      config: NativeConfig,
    ): NativeConnection;
  };
  versionIsSupported(version: number): boolean;
}

export const STREAM_READ = 0;
export const STREAM_WRITE = 1;
/** What fits every path; quiche does not probe for more here. */
export const MAX_PACKET_BYTES = 1_350;

let loaded: NativeQuic | RstreamError | undefined;

/** Throws ERR_RSTREAM_UNSUPPORTED_TRANSPORT, saying why, where there is no native part. */
export function nativeQuic(): NativeQuic {
  loaded ??= load();
  if (loaded instanceof RstreamError) throw loaded;
  return loaded;
}

/** Why QUIC cannot be used on this machine; undefined when it can. */
export function quicUnavailable(): string | undefined {
  loaded ??= load();
  return loaded instanceof RstreamError ? loaded.message : undefined;
}

function load(): NativeQuic | RstreamError {
  const name = `@infisical/quic-${process.platform}-${process.arch}`;
  try {
    // A bundle has no import.meta.url; then the package is looked for beside the executable.
    const module: unknown = createRequire(import.meta.url ?? process.argv[1])(name);
    if (isNativeQuic(module)) return module;
    throw new Error('it does not export what is expected');
  } catch (cause) {
    const message = `QUIC is not available on ${process.platform} ${process.arch}: ${messageOf(cause).split('\n')[0]}`;
    return new RstreamError('ERR_RSTREAM_UNSUPPORTED_TRANSPORT', message, { cause });
  }
}

function isNativeQuic(module: unknown): module is NativeQuic {
  return typeof module === 'object' && module !== null && 'Config' in module && 'Connection' in module;
}
