// The UDP side of the engine's port: the protocol over QUIC, and the visitors of published datagram tunnels.

import type { Clock } from '../common/clock.ts';
import { listenQuic, type QuicListener } from '../rstream/quic-listener.ts';
import { quicUnavailable } from '../rstream/quic-native.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { PacketBroker } from './packet-broker.ts';
import type { Routes } from './routes.ts';
import type { RuntimeConnections } from './runtime-connections.ts';
import { quicPeer } from './runtime-peer.ts';
import { UdpEdge } from './udp-edge.ts';

export interface UdpPortOptions {
  readonly host: string | undefined;
  readonly clock: Clock;
  readonly authority: CertificateAuthority;
  /** The names in the engine's certificate. */
  readonly names: readonly string[];
  readonly routes: Routes;
  readonly packets: PacketBroker;
  readonly runtime: RuntimeConnections;
  readonly accepts: () => boolean;
  /** Silence that ends a visitor's flow. */
  readonly idleMs: number;
  readonly maxFlows: number;
}

export class UdpPort {
  readonly #options: UdpPortOptions;
  #listener: QuicListener | undefined;
  #edge: UdpEdge | undefined;

  constructor(options: UdpPortOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#listener !== undefined;
  }

  /** QUIC connections of clients, and flows of visitors. */
  get counts(): { readonly quicConnections: number; readonly flows: number } {
    return { quicConnections: this.#listener?.connections.size ?? 0, flows: this.#edge?.flows ?? 0 };
  }

  /** Returns why there is no QUIC here, if so; rejects when the port cannot be bound. */
  async start(port: number): Promise<string | undefined> {
    const missing = quicUnavailable();
    if (missing !== undefined) return missing;
    const { host, clock, authority, names, routes, packets, runtime, accepts } = this.#options;
    const { idleMs, maxFlows } = this.#options;
    const { cert, key } = await authority.issueServer(names);
    const edge = new UdpEdge({
      clock,
      routes,
      broker: packets,
      idleMs,
      maxFlows,
      send: (packet, to) => this.#listener?.send(packet, to),
    });
    this.#listener = await listenQuic({
      host: host ?? '::',
      port,
      material: { ca: authority.certificate, cert, key },
      clock,
      intercept: (packet, from) => !accepts() || edge.intercept(packet, from),
      isForeign: (serverName) => edge.isTunnel(serverName),
      onForeign: (serverName, initial, from) => edge.begin(serverName, initial, from),
      onConnection: (stream, client) => void runtime.serve(quicPeer(stream, client)),
    });
    this.#edge = edge;
    return undefined;
  }

  async close(): Promise<void> {
    this.#edge?.close();
    await this.#listener?.close();
  }
}
