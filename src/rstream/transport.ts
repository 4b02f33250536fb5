// What a transport is: something that opens a connection to an engine. A connection is one TLS connection or one
// bidirectional QUIC stream; control channels, dial-backs and private dials each take one.

import type { Duplex } from 'node:stream';
import type { EngineAddress } from './engine-address.ts';
import type { PacketChannels } from './packet-channel.ts';

export interface ConnectTarget {
  readonly engine: EngineAddress;
  /** True for an endpoint the engine named: a configured server name belongs to the owner engine and is not used. */
  readonly redirected?: boolean;
  /** True for a control channel, with which everything begins anew. */
  readonly control?: boolean;
}

/** Where received bytes go, as in `net.connect({ onread })`. Nothing in it may throw. */
export interface ByteSink {
  /** The memory the next read may fill; asked for after each `received`. Never empty. */
  buffer(): Uint8Array;
  /**
   * The first `bytes` of the buffer hold data. Return false to pause (then `stream.resume()` goes on); a few more calls
   * may still follow in the same turn, for records already decrypted.
   */
  received(bytes: number, buffer: Uint8Array): boolean;
}

export interface EngineConnection {
  readonly mode: 'tls' | 'quic';
  /**
   * Half-open: an end of the other side leaves ours writable. It has an error listener already, so a failure only
   * closes it; listen for `close`, and `error` for the cause. A tls.TLSSocket in mode tls.
   */
  readonly stream: Duplex;
  /**
   * Sends everything still to be read to `sink` instead of the stream's `data` events, starting with what the stream has
   * buffered: without a copy on a direct TLS connection. `end`, `error` and `close` are still the stream's, `pause` and
   * `resume` still work. Call once, then `stream.resume()`.
   */
  readInto(sink: ByteSink): void;
  /** Closes at once so that the engine sees an abort and no clean end, where the system allows; else just closes. */
  reset(): void;
  /** Datagrams beside the stream, when the QUIC connection below it negotiated them. */
  readonly datagrams: PacketChannels | undefined;
}

export interface Transport {
  /** Whether it authenticates with a client certificate, so that no token may be sent. */
  readonly clientCertificate: boolean;
  /** Rejects with TransportError (or a configuration error), or with the signal's reason once it aborts. */
  connect(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection>;
  /** Releases caches and shared connections; streams handed out live on. */
  close(): void;
}
