// Transport over TLS: one TCP and TLS connection per protocol connection, straight to the engine or through whatever
// `dial` opens (an HTTP proxy).

import { isIP, type OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { messageOf } from '../common/errors.ts';
import { closeOnError, SocketReader, socketConnection, streamConnection } from './connection.ts';
import { formatEngineAddress } from './engine-address.ts';
import { RstreamError, TransportError } from './errors.ts';
import { type NetworkPath, systemPath } from './network-path.ts';
import { TlsContext, type TlsSettings } from './tls-options.ts';
import type { ConnectTarget, EngineConnection, Transport } from './transport.ts';

export interface TlsTransportOptions extends TlsSettings {
  /** How packets leave this machine; default: as the system does it. */
  readonly path?: NetworkPath | undefined;
}

/** What tls.connect passes on to its socket, though its types do not say so. */
type DirectOptions = ConnectionOptions & { readonly allowHalfOpen: true; readonly onread: OnReadOpts };

/** The system notices a dead peer of an idle stream by itself. */
const keepAliveMs = 30_000;

export class TlsTransport implements Transport {
  readonly clientCertificate: boolean;
  readonly #tls: TlsContext;
  readonly #path: NetworkPath;
  /** Where the engine was found for its control channel: dial-backs go there without asking for it again. */
  #found: { readonly host: string; readonly address: string } | undefined;

  constructor(options: TlsTransportOptions = {}) {
    this.clientCertificate = options.clientCertificate ?? false;
    this.#tls = new TlsContext(options);
    this.#path = options.path ?? systemPath;
  }

  async connect(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    signal.throwIfAborted();
    // Unusable material is refused before anybody is called.
    this.#tls.options(target);
    const tunnel = await this.#path.tunnel?.(target.engine, signal);
    if (tunnel) {
      const socket = await this.#handshake({ socket: tunnel }, target, signal);
      return streamConnection('tls', socket);
    }
    const address = target.control || target.redirected ? undefined : this.#foundAt(target);
    if (address === undefined) return await this.#direct(target, signal);
    try {
      return await this.#direct(target, signal, address);
    } catch (error) {
      // Nothing has been said yet, and the name may lead elsewhere by now.
      this.#found = undefined;
      if (signal.aborted) throw error;
      return await this.#direct(target, signal);
    }
  }

  close(): void {
    this.#tls.close();
  }

  async #direct(target: ConnectTarget, signal: AbortSignal, address?: string): Promise<EngineConnection> {
    const { host, port } = target.engine;
    const reader = new SocketReader();
    const options: DirectOptions = {
      ...(await this.#path.socketOptions({ host: address ?? host, port }, signal)),
      allowHalfOpen: true,
      onread: reader.onread,
    };
    const socket = await this.#handshake(options, target, signal, (created) => reader.attach(created));
    const { remoteAddress } = socket;
    if (target.control && remoteAddress !== undefined) this.#found = { host, address: remoteAddress };
    return socketConnection(socket, reader);
  }

  #foundAt({ engine: { host } }: ConnectTarget): string | undefined {
    return this.#found?.host === host && !isIP(host) ? this.#found.address : undefined;
  }

  /** As of now: finding the way took time, and a ticket must not outlive the certificate it was given for. */
  #tlsOptions(target: ConnectTarget, tunnel: Duplex | undefined): ConnectionOptions {
    try {
      return this.#tls.options(target);
    } catch (error) {
      tunnel?.destroy();
      throw error;
    }
  }

  async #handshake(
    options: ConnectionOptions,
    target: ConnectTarget,
    signal: AbortSignal,
    created?: (socket: Duplex) => void,
  ): Promise<TLSSocket> {
    const socket = connect({ ...this.#tlsOptions(target, options.socket), ...options });
    created?.(socket);
    this.#tls.collectTickets(socket, target);
    try {
      await secured(socket, signal);
    } catch (error) {
      socket.destroy();
      if (signal.aborted) throw signal.reason;
      this.#tls.forgetTicket(target);
      if (error instanceof RstreamError) throw error;
      const address = formatEngineAddress(target.engine);
      throw new TransportError(`connecting to ${address} failed: ${messageOf(error)}`, { cause: error });
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    return socket;
  }
}

/** Resolves once the handshake is done. A later failure closes the socket and does no more. */
function secured(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('secureConnect', onSecure).off('close', onClose).off('error', settle);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle(signal.reason);
    const onSecure = () => settle();
    const onClose = () => settle(new TransportError('the connection was closed during the TLS handshake'));
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    closeOnError(socket);
    socket.on('error', settle).once('secureConnect', onSecure).once('close', onClose);
  });
}
