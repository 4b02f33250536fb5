// The engine put together: one port for the protocol, the HTTP API and published names, TLS and QUIC, a port range for tcp
// tunnels, and the stand-in control plane. For demos, tests and offline development; never a production edge.

import type { TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../common/clock.ts';
import type { ListenAddress } from '../common/listen-address.ts';
import { type Logger, silentLogger } from '../common/logging.ts';
import { Authenticator, sameMajorVersion, type VersionRule } from './authenticator.ts';
import { bindBoth } from './bind-both.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import {
  type ControlPlane,
  type ControlPlaneFault,
  type Project,
  startControlPlane,
} from './control-plane.ts';
import { EdgeListener } from './edge-listener.ts';
import { EngineApi } from './engine-api.ts';
import { defaultProject, ownNames, reachableHost } from './engine-names.ts';
import { EventFeed } from './event-feed.ts';
import { type FaultSettings, noFaults } from './faults.ts';
import type { HostnameRules } from './hostnames.ts';
import { HttpEdge } from './http-edge.ts';
import { HttpServers } from './http-exchange.ts';
import { serveOwn } from './own-connection.ts';
import { PacketBroker } from './packet-broker.ts';
import { PublishedTunnels } from './published-tunnels.ts';
import { Recorder } from './recorder.ts';
import { Registry } from './registry.ts';
import { createRelay } from './relay.ts';
import { type ConflictPolicy, portRoute, Routes } from './routes.ts';
import { RuntimeConnections } from './runtime-connections.ts';
import { ServerNames } from './server-names.ts';
import { StreamBroker } from './stream-broker.ts';
import { type PortRange, TcpPorts } from './tcp-ports.ts';
import { TlsTerminator } from './tls-terminator.ts';
import { TunnelService } from './tunnel-service.ts';
import { UdpPort } from './udp-port.ts';
import type { CountryRange } from './visitor-access.ts';

export interface EngineOptions {
  readonly listen: ListenAddress;
  readonly authority: CertificateAuthority;
  readonly tokens: readonly string[];
  /** Names are minted under `.t.<domain>`; default engine.localhost. */
  readonly domain?: string;
  /** The project's endpoint, a DNS label; default 0de7e460. */
  readonly endpoint?: string;
  readonly customDomains?: readonly string[];
  /** What clients and visitors reach this engine by, when it is not the listen address. */
  readonly advertise?: ListenAddress;
  readonly tcpPorts?: PortRange;
  readonly hostnameConflict?: ConflictPolicy;
  readonly streamsOnClose?: 'keep' | 'cut';
  readonly countries?: readonly CountryRange[];
  readonly regions?: readonly string[];
  readonly controlPlane?: ListenAddress;
  readonly versionRule?: VersionRule;
  /** How long an agent may take to dial back; default 30 s. */
  readonly streamTimeoutMs?: number;
  /** For TLS handshakes and first messages; default 10 s. */
  readonly handshakeTimeoutMs?: number;
  readonly maxConnections?: number;
  /** Whether the port is open over UDP too, where QUIC is available; default true. */
  readonly quic?: boolean;
  /** Silence that ends a UDP visitor's flow; default 60 s. */
  readonly udpIdleMs?: number;
  /** Entries the recorder keeps; default 0, nothing. */
  readonly recordLimit?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface Engine {
  /** What clients dial: `host:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly domain: string;
  readonly endpoint: string;
  readonly controlPlanePort: number | undefined;
  readonly authority: CertificateAuthority;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly routes: Routes;
  readonly tunnels: TunnelService;
  readonly broker: StreamBroker;
  readonly recorder: Recorder;
  faults: FaultSettings;
  projects: readonly Project[];
  controlPlaneFault: ControlPlaneFault | undefined;
  /** Counts, for people and tests. */
  status(): Readonly<Record<string, number>>;
  /** Cuts everything and stops listening. */
  close(): Promise<void>;
}

type Scope = { readonly kind: 'engine' } | { readonly kind: 'route'; readonly route: string };

/** UDP visitors at one time. */
const maxUdpFlows = 4_096;

/** Resolves once every listener is bound. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { authority, clock = systemClock, log = silentLogger, handshakeTimeoutMs = 10_000 } = options;
  const state = {
    faults: noFaults(),
    projects: [] as readonly Project[],
    controlPlaneFault: undefined as ControlPlaneFault | undefined,
    address: { host: '', port: 0 },
  };
  const faults = () => state.faults;
  const domain = options.domain ?? 'engine.localhost';
  const endpoint = options.endpoint ?? '0de7e460';
  const recorder = new Recorder(clock, options.recordLimit ?? 0);
  const registry = new Registry();
  const routes = new Routes(options.hostnameConflict ?? 'refuse', recorder, clock);
  const authenticator = new Authenticator(options.tokens);
  const broker = new StreamBroker({ clock, timeoutMs: options.streamTimeoutMs ?? 30_000, faults });
  const packets = new PacketBroker(broker, faults);
  const hostnames: HostnameRules = {
    domain,
    endpoint,
    customDomains: options.customDomains ?? [],
    ownNames: [options.advertise?.host, options.listen.host].filter((name) => name !== undefined),
  };

  const api = new EngineApi({
    clock,
    authenticator,
    registry,
    feed: new EventFeed(registry, clock),
    isPublicName: (host) => host.includes('.t.') || (options.customDomains ?? []).includes(host),
  });
  const http: HttpServers<Scope> = new HttpServers<Scope>({
    request: (exchange, scope, socket) =>
      scope.kind === 'engine' ? api.request(exchange, socket) : edge.request(exchange, scope.route),
    upgrade: (request, socket, head, scope) =>
      scope.kind === 'engine'
        ? api.upgrade(request, socket, head, request.socket as TLSSocket)
        : edge.upgrade(request, socket, head, scope.route),
  });
  const relay = createRelay(clock);
  const published = new PublishedTunnels({
    relay,
    authority,
    routes,
    broker,
    handshakeTimeoutMs,
    packets: () => udp.open,
    serveHttp: (socket, route) => http.serve(socket, { kind: 'route', route }),
  });
  const edge = new HttpEdge({
    relay,
    routes,
    authenticator,
    upstreamOf: (tunnel) => published.upstreamOf(tunnel),
  });
  const ports = new TcpPorts({
    host: options.listen.host,
    range: options.tcpPorts,
    maxConnectionsPerPort: 1024,
    onConnection: (port, socket) => void published.connect(portRoute(port), socket),
  });
  const tunnels = new TunnelService({
    clock,
    registry,
    routes,
    ports,
    front: published,
    publicAddress: () => state.address,
    hostnames,
    countries: options.countries ?? [],
    streamsOnClose: options.streamsOnClose ?? 'keep',
  });
  const runtime = new RuntimeConnections({
    clock,
    log,
    authenticator,
    versionRule: options.versionRule ?? sameMajorVersion,
    registry,
    broker,
    packets,
    tunnels,
    relay,
    recorder,
    faults,
    firstMessageTimeoutMs: handshakeTimeoutMs,
  });

  const serverNames = new ServerNames(authority);
  const names = ownNames(options, domain, endpoint);
  const terminator = new TlsTerminator({
    certificate: await authority.issueServer(names),
    alpn: ['rstrm/1', 'h2', 'http/1.1'],
    clientCertificate: 'request',
    clientCa: authority.certificate,
    contextOf: (name) => serverNames.contextOf(name),
    handshakeTimeoutMs,
    onSocket: (socket) => serveOwn(socket, runtime, (plain) => http.serve(plain, { kind: 'engine' })),
  });
  const listener = new EdgeListener({
    host: options.listen.host,
    port: options.listen.port,
    clock,
    helloTimeoutMs: handshakeTimeoutMs,
    maxConnections: options.maxConnections ?? 8192,
    accepts: () => !state.faults.refuseConnections,
    onHello: (socket, hello) => {
      const route = hello.serverName === undefined ? undefined : routes.routeOf(hello.serverName);
      const accept = (route && routes.peek(route)?.acceptTls) || undefined;
      accept ? accept(socket) : terminator.accept(socket);
    },
  });
  const udp = new UdpPort({
    host: options.listen.host,
    clock,
    authority,
    names,
    routes,
    packets,
    runtime,
    accepts: () => !state.faults.refuseConnections,
    idleMs: options.udpIdleMs ?? 60_000,
    maxFlows: maxUdpFlows,
  });
  const openUdp = async (port: number) => {
    const missing = options.quic === false ? undefined : await udp.start(port);
    if (missing) log.info({ reason: missing }, 'serving without QUIC');
  };
  const bound = await bindBoth(listener, openUdp, options.listen.port === 0 ? 10 : 1);
  const host = options.advertise?.host ?? reachableHost(options.listen.host);
  state.address = { host, port: options.advertise?.port || bound.port };
  state.projects = [defaultProject(options, domain, endpoint, state.address.port)];

  let controlPlane: ControlPlane | undefined;
  if (options.controlPlane) {
    controlPlane = await startControlPlane({
      listen: options.controlPlane,
      clock,
      authority,
      names,
      serverNames,
      authenticator,
      projects: () => state.projects,
      fault: () => state.controlPlaneFault,
      onRequest: (method, path) => log.debug({ method, path }, 'control plane asked'),
    });
  }

  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${state.address.port}`,
    host,
    port: bound.port,
    domain,
    endpoint,
    controlPlanePort: controlPlane?.port,
    authority,
    authenticator,
    registry,
    routes,
    tunnels,
    broker,
    recorder,
    get faults() {
      return state.faults;
    },
    set faults(value) {
      state.faults = value;
    },
    get projects() {
      return state.projects;
    },
    set projects(value) {
      state.projects = value;
    },
    get controlPlaneFault() {
      return state.controlPlaneFault;
    },
    set controlPlaneFault(value) {
      state.controlPlaneFault = value;
    },
    status: () => ({
      connections: listener.connections,
      clients: registry.clients.length,
      tunnels: registry.tunnels.length,
      streams: registry.tunnels.reduce((sum, tunnel) => sum + tunnel.streams.size, 0),
      pendingStreams: broker.pending,
      ...udp.counts,
    }),
    close: async () => {
      api.close();
      for (const client of registry.clients) client.end('drop');
      await Promise.all([listener.close(), udp.close(), controlPlane?.close(), ports.close()]);
    },
  };
}
