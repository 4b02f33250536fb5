// Opens and closes tunnels: checks what was asked, gives out name or port under the conflict policy, and takes everything
// back when the tunnel, or the control connection it was opened on, ends.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type TunnelProperties, TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { unavailable } from './errors.ts';
import { acceptHostname, type HostnameRules, mintHostname } from './hostnames.ts';
import type { Client, Registry } from './registry.ts';
import { hostRoute, portRoute, type Routes } from './routes.ts';
import type { TcpPorts } from './tcp-ports.ts';
import type { Tunnel } from './tunnel.ts';
import { normalizeProperties } from './tunnel-rules.ts';
import { addressCheck, type CountryRange } from './visitor-access.ts';

/** What makes a published tunnel reachable over TLS. */
export interface TlsFront {
  /** Prepares handing visitors of `route` to the tunnel; rejects when its TLS settings make no sense. */
  open(route: string, properties: TunnelProperties): Promise<TlsFrontHandle>;
}

export interface TlsFrontHandle {
  accept(raw: Socket): void;
  retire(): void;
}

export interface TunnelServiceOptions {
  readonly clock: Clock;
  readonly registry: Registry;
  readonly routes: Routes;
  readonly ports: TcpPorts;
  readonly front: TlsFront;
  /** Read at each opening: the port is known only after listening. */
  readonly publicAddress: () => { readonly host: string; readonly port: number };
  readonly hostnames: HostnameRules;
  readonly countries: readonly CountryRange[];
  /** Whether closing a tunnel or a control connection with a message cuts its streams. */
  readonly streamsOnClose: 'keep' | 'cut';
}

export class TunnelService {
  readonly #options: TunnelServiceOptions;

  constructor(options: TunnelServiceOptions) {
    this.#options = options;
  }

  find(owner: Client, tunnelId: string): Tunnel | undefined {
    const tunnel = this.#options.registry.tunnel(tunnelId);
    return tunnel?.owner.id === owner.id ? tunnel : undefined;
  }

  /** Rejects with a Refusal. */
  async open(owner: Client & { readonly serverName?: string | undefined }, requested?: TunnelProperties) {
    const { registry, clock, countries } = this.#options;
    registry.checkRoom(owner);
    const properties = normalizeProperties(requested ?? create(TunnelPropertiesSchema));
    const checkAddress = addressCheck(properties, countries);
    const createdAt = clock.date();
    properties.id = `tun_${randomBytes(8).toString('hex')}`;
    properties.creationDate = timestampFromDate(createdAt);
    const base = { id: properties.id, owner, properties, createdAt, checkAddress, streams: new Set<never>() };

    if (!properties.publish) {
      return this.#register({ ...base, route: undefined, acceptTls: undefined, retire: () => {} });
    }
    if (properties.protocol === 'tcp') return this.#openTcp(base);
    return this.#openTls(base, owner.serverName);
  }

  /** Takes the tunnel off the engine; `byMessage` is false when its control connection was simply lost. */
  close(tunnel: Tunnel, byMessage: boolean): void {
    const { registry, routes, streamsOnClose } = this.#options;
    if (!registry.removeTunnel(tunnel)) return;
    if (tunnel.route) routes.release(tunnel.route, tunnel);
    tunnel.retire();
    if (byMessage && streamsOnClose === 'cut') for (const stream of tunnel.streams) stream.destroy();
  }

  closeAll(owner: Client, byMessage: boolean): void {
    const { registry } = this.#options;
    for (const tunnel of registry.tunnelsOf(owner)) this.close(tunnel, byMessage);
    registry.removeClient(owner);
  }

  /** Closes a tunnel and tells its client, unasked. */
  revoke(tunnel: Tunnel): void {
    this.close(tunnel, true);
    tunnel.owner.send({ case: 'closeTunnelRsp', value: { tunnelId: tunnel.id } });
  }

  async #openTcp(base: Omit<Tunnel, 'route' | 'acceptTls' | 'retire'>): Promise<Tunnel> {
    const { ports, routes, publicAddress } = this.#options;
    const { properties } = base;
    if (properties.port !== undefined) routes.check(portRoute(properties.port));
    const port = await ports.acquire(properties.port);
    properties.hostname = publicAddress().host;
    properties.port = port;
    let held = true;
    const retire = () => {
      if (held) ports.release(port);
      held = false;
    };
    return this.#register({ ...base, route: portRoute(port), acceptTls: undefined, retire });
  }

  async #openTls(base: Omit<Tunnel, 'route' | 'acceptTls' | 'retire'>, serverName: string | undefined) {
    const { hostnames, routes, front, publicAddress } = this.#options;
    const { properties } = base;
    const ownNames = serverName ? [...hostnames.ownNames, serverName] : hostnames.ownNames;
    properties.hostname = properties.hostname?.trim()
      ? acceptHostname({ ...hostnames, ownNames }, properties.hostname)
      : mintHostname(hostnames);
    properties.port = publicAddress().port;
    const route = hostRoute(properties.hostname);
    routes.check(route);
    const handle = await front.open(route, properties);
    return this.#register({
      ...base,
      route,
      acceptTls: (raw) => handle.accept(raw),
      retire: () => handle.retire(),
    });
  }

  /** The last, synchronous step: claims the route, so that of two tunnels asking at once one is refused. */
  #register(tunnel: Tunnel): Tunnel {
    const { registry, routes } = this.#options;
    try {
      if (!tunnel.owner.open) throw unavailable('the control connection has ended');
      const displaced = tunnel.route ? routes.claim(tunnel.route, tunnel) : [];
      registry.addTunnel(tunnel);
      for (const other of displaced) this.revoke(other);
    } catch (error) {
      tunnel.retire();
      throw error;
    }
    return tunnel;
  }
}
