// Transport over QUIC: one connection per engine (or redirect endpoint), shared; every protocol connection is one
// bidirectional stream on it. Datagram channels ride beside.

import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import { streamConnection } from './connection.ts';
import { formatEngineAddress } from './engine-address.ts';
import { RstreamError, TransportError } from './errors.ts';
import { type NetworkPath, systemPath } from './network-path.ts';
import { quicConfig } from './quic-config.ts';
import { QuicConnection } from './quic-connection.ts';
import { nativeQuic } from './quic-native.ts';
import type { TlsMaterial, TlsSettings } from './tls-options.ts';
import type { ConnectTarget, EngineConnection, Transport } from './transport.ts';
import { bindUdp } from './udp-socket.ts';

export interface QuicTransportOptions extends TlsSettings {
  readonly path?: NetworkPath | undefined;
  readonly clock: Clock;
}

interface Shared {
  readonly opening: Promise<QuicConnection>;
  /** Once it is open. */
  connection: QuicConnection | undefined;
  /** What it was made with: a connection shows the certificate it began with for ever. */
  readonly material: TlsMaterial | undefined;
  /** Those waiting for the handshake; it is given up with the last of them. */
  waiting: number;
  readonly cancel: AbortController;
}

/** A connection in use hears an answer to its PING every 10 s. */
const deadAfterMs = 15_000;

export class QuicTransport implements Transport {
  readonly clientCertificate: boolean;
  readonly #options: QuicTransportOptions;
  readonly #connections = new Map<string, Shared>();
  #closed = false;

  /** Throws ERR_RSTREAM_UNSUPPORTED_TRANSPORT where QUIC cannot be had. */
  constructor(options: QuicTransportOptions) {
    nativeQuic();
    this.clientCertificate = options.clientCertificate ?? false;
    this.#options = options;
  }

  async connect(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    signal.throwIfAborted();
    const reused = this.#connections.has(this.#origin(target));
    try {
      return await this.#open(target, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // A connection that died unnoticed is replaced once.
      if (!reused || !(error instanceof TransportError)) throw error;
      return await this.#open(target, signal);
    }
  }

  /** New connections are refused from now on; those with streams end with their last one. */
  close(): void {
    this.#closed = true;
    for (const shared of this.#connections.values()) retire(shared);
    this.#connections.clear();
  }

  async #open(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    const connection = await this.#connection(target, signal);
    const stream = await connection.openStream(signal, target.control);
    const datagrams = connection.hasDatagrams ? connection.datagrams : undefined;
    return { ...streamConnection('quic', stream, datagrams), reset: () => stream.reset() };
  }

  async #connection(target: ConnectTarget, signal: AbortSignal): Promise<QuicConnection> {
    if (this.#closed) throw new RstreamError('ERR_RSTREAM_CLIENT_CLOSED', 'the transport is closed');
    const origin = this.#origin(target);
    const shared = this.#usable(origin) ?? this.#start(origin, target);
    shared.waiting += 1;
    try {
      return await unlessAborted(shared.opening, signal);
    } finally {
      shared.waiting -= 1;
      if (shared.waiting === 0)
        shared.cancel.abort(new TransportError('nobody waits for the QUIC handshake any more'));
    }
  }

  /** The connection there is, unless it seems dead or shows a certificate that has been replaced; its streams may go on. */
  #usable(origin: string): Shared | undefined {
    const shared = this.#connections.get(origin);
    if (!shared) return undefined;
    const silent = (shared.connection?.silentMs ?? 0) > deadAfterMs;
    if (!silent && shared.material === this.#options.material?.()) return shared;
    this.#connections.delete(origin);
    retire(shared);
    return undefined;
  }

  #start(origin: string, target: ConnectTarget): Shared {
    const cancel = new AbortController();
    const material = this.#options.material?.();
    const opening = this.#handshake(target, material, cancel.signal);
    const shared: Shared = { opening, connection: undefined, material, waiting: 0, cancel };
    const forget = () => {
      if (this.#connections.get(origin) === shared) this.#connections.delete(origin);
    };
    this.#connections.set(origin, shared);
    opening.then((connection) => {
      shared.connection = connection;
      connection.closed.then(forget);
    }, forget);
    return shared;
  }

  async #handshake(
    target: ConnectTarget,
    material: TlsMaterial | undefined,
    signal: AbortSignal,
  ): Promise<QuicConnection> {
    const { path = systemPath, clock, serverName } = this.#options;
    const name = (target.redirected ? undefined : serverName) ?? target.engine.host;
    const config = quicConfig(material ?? {}, { role: 'client', incomingStreams: 0 });
    const remote = await path.resolve(target.engine, signal);
    const peer = { host: remote.address, port: remote.port };
    const where = formatEngineAddress(target.engine);
    const failed = (error: unknown) =>
      new TransportError(`connecting to ${where} over QUIC failed: ${messageOf(error)}`, { cause: error });

    const { socket, local, send } = await bindUdp(
      remote.family,
      { address: remote.localAddress },
      peer,
    ).catch((error) => {
      throw failed(error);
    });
    const native = nativeQuic().Connection.connect(
      isIP(name) ? null : name,
      randomBytes(20),
      local,
      peer,
      config,
    );
    const connection = new QuicConnection({
      role: 'client',
      native,
      local,
      clock,
      send: (packet) => send(packet),
      verify: name,
    });
    socket.on('message', (packet) => connection.receive(packet, peer));
    socket.on('error', (error) => connection.abort(failed(error)));
    connection.closed.then(() => setImmediate(() => socket.close()));

    const onAbort = () => connection.close('cancelled');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await connection.established;
    } catch (error) {
      throw failed(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return connection;
  }

  #origin({ engine, redirected }: ConnectTarget): string {
    return `${formatEngineAddress(engine)} ${redirected ? '' : (this.#options.serverName ?? '')}`;
  }
}

/** Ends it now when it is idle, else with its last stream. */
function retire({ opening }: Shared): void {
  opening.then(
    (connection) => {
      if (connection.streams === 0) connection.close('the client is closed');
      else connection.closeWithLastStream();
    },
    () => {},
  );
}
