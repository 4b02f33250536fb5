// Makes published tunnels reachable over TLS: a terminator with the tunnel's own TLS settings in front of the http edge or
// of raw streams, or, for passthrough, nothing at all in between.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import { messageOf } from '../common/errors.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { invalidRequest } from './errors.ts';
import { startTls } from './http-upstream.ts';
import { abort, type Relay } from './relay.ts';
import type { Routes } from './routes.ts';
import type { StreamBroker } from './stream-broker.ts';
import { TlsTerminator } from './tls-terminator.ts';
import type { TlsFront, TlsFrontHandle } from './tunnel-service.ts';
import type { Upstreams } from './upstreams.ts';
import { plainAddress } from './visitor-access.ts';
import { openForVisitor } from './visitor-streams.ts';

export interface PublishedTunnelsOptions {
  readonly relay: Relay;
  readonly authority: CertificateAuthority;
  readonly routes: Routes;
  readonly broker: StreamBroker;
  readonly upstreams: Upstreams;
  readonly handshakeTimeoutMs: number;
  /** Whether visitors can come by UDP. */
  readonly packets: () => boolean;
  /** Serves HTTP on a visitor's connection to `route`. */
  readonly serveHttp: (socket: TLSSocket, route: string) => void;
}

export class PublishedTunnels implements TlsFront {
  readonly #options: PublishedTunnelsOptions;

  constructor(options: PublishedTunnelsOptions) {
    this.#options = options;
  }

  async open(route: string, properties: TunnelProperties): Promise<TlsFrontHandle> {
    if (properties.protocol === 'http' && properties.type === 'bytestream') {
      const terminator = await this.#terminator(properties, ['h2', 'http/1.1'], (socket) =>
        this.#options.serveHttp(socket, route),
      );
      return {
        accept: (raw) => terminator.accept(raw),
        retire: () => this.#options.upstreams.retire(properties),
      };
    }
    if (properties.protocol === 'tls') return this.#openTls(route, properties);
    // Its visitors come by UDP, to UdpEdge; nothing is behind the name over TCP.
    if (properties.type === 'datagram' && this.#options.packets()) {
      return { accept: (raw) => raw.destroy(), retire: () => {} };
    }
    throw invalidRequest(
      `this engine does not publish ${properties.protocol} tunnels of type ${properties.type}`,
    );
  }

  /** Joins a visitor with a stream of the route's holder. */
  async connect(
    route: string,
    visitor: Duplex & { remoteAddress?: string | undefined },
    upstreamTls = false,
  ) {
    const { routes, broker, relay } = this.#options;
    const gone = new AbortController();
    const onClose = () => gone.abort();
    visitor.once('close', onClose);
    try {
      const address = plainAddress(visitor.remoteAddress);
      const { stream } = await openForVisitor(routes, broker, route, { address, signal: gone.signal });
      const service = upstreamTls ? await startTls(stream, []) : stream;
      await relay(visitor, service);
    } catch {
      // A clean end would read like an empty answer.
      abort(visitor);
    } finally {
      visitor.off('close', onClose);
    }
  }

  async #openTls(route: string, properties: TunnelProperties): Promise<TlsFrontHandle> {
    if (properties.tlsMode === 'passthrough') {
      return { accept: (raw: Socket) => void this.connect(route, raw), retire: () => {} };
    }
    const upstreamTls = properties.upstreamTls === true;
    const terminator = await this.#terminator(properties, properties.tlsAlpns, (socket) => {
      socket.pause();
      void this.connect(route, socket, upstreamTls);
    });
    return { accept: (raw) => terminator.accept(raw), retire: () => {} };
  }

  async #terminator(
    properties: TunnelProperties,
    alpn: readonly string[],
    onSocket: (socket: TLSSocket) => void,
  ): Promise<TlsTerminator> {
    const { authority, handshakeTimeoutMs } = this.#options;
    const certificate = await authority.issueServer([properties.hostname ?? '']);
    try {
      return new TlsTerminator({
        certificate,
        alpn,
        onSocket,
        handshakeTimeoutMs,
        minVersion: properties.tlsMinVersion?.endsWith('1.3') ? 'TLSv1.3' : 'TLSv1.2',
        ciphers: properties.tlsCiphers,
        ...(properties.mtlsAuth && {
          clientCertificate: 'require' as const,
          clientCa: properties.mtlsCacertPem || authority.certificate,
        }),
      });
    } catch (error) {
      throw invalidRequest(`the tunnel's TLS settings cannot be used: ${messageOf(error)}`);
    }
  }
}
