// The HTTP side of each http tunnel towards its service, made at its first request.

import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import { HttpUpstream } from './http-upstream.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { Tunnel } from './tunnel.ts';

export class Upstreams {
  readonly #broker: StreamBroker;
  readonly #known = new WeakMap<TunnelProperties, HttpUpstream>();

  constructor(broker: StreamBroker) {
    this.#broker = broker;
  }

  /** Undefined when it is not an http tunnel. */
  of(tunnel: Tunnel): HttpUpstream | undefined {
    const { properties } = tunnel;
    if (properties.protocol !== 'http' || properties.type !== 'bytestream') return undefined;
    const known = this.#known.get(properties);
    if (known) return known;
    const upstream = new HttpUpstream({
      open: async () => (await this.#broker.open(tunnel, undefined)).stream,
      version: versionOf(properties),
      serverName: properties.hostname?.replace(/^\*\./, ''),
    });
    this.#known.set(properties, upstream);
    return upstream;
  }

  /** The tunnel is gone: its idle connections go too, the busy ones when they become idle. */
  retire(properties: TunnelProperties): void {
    this.#known.get(properties)?.retire();
  }
}

function versionOf({ upstreamTls, httpVersion }: TunnelProperties) {
  if (upstreamTls) return 'negotiated';
  return httpVersion === 'h2c' ? 'h2c' : 'http/1.1';
}
