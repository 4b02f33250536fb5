// The engine's parts, group by group: each is made of what stands above it and knows nothing of what stands below.

import type { TLSSocket } from 'node:tls';
import { Authenticator } from './authenticator.ts';
import type { ControlPlaneFault, Project } from './control-plane.ts';
import { EdgeListener } from './edge-listener.ts';
import { EngineApi } from './engine-api.ts';
import { ownNames } from './engine-names.ts';
import type { EngineSettings } from './engine-options.ts';
import { EventFeed } from './event-feed.ts';
import type { FaultSettings } from './faults.ts';
import { HttpEdge } from './http-edge.ts';
import { HttpServers } from './http-exchange.ts';
import { serveOwn } from './own-connection.ts';
import { PacketBroker } from './packet-broker.ts';
import { PublishedTunnels } from './published-tunnels.ts';
import { Recorder } from './recorder.ts';
import { Registry } from './registry.ts';
import { createRelay } from './relay.ts';
import { portRoute, Routes } from './routes.ts';
import { RuntimeConnections } from './runtime-connections.ts';
import { ServerNames } from './server-names.ts';
import { StreamBroker } from './stream-broker.ts';
import { TcpPorts } from './tcp-ports.ts';
import { TlsTerminator } from './tls-terminator.ts';
import { TunnelService } from './tunnel-service.ts';
import { UdpPort } from './udp-port.ts';
import { Upstreams } from './upstreams.ts';

/** What a person or a test may turn while the engine runs; read at each use. */
export interface Switches {
  faults: FaultSettings;
  projects: readonly Project[];
  controlPlaneFault: ControlPlaneFault | undefined;
}

/** Where the engine is reached: known once its port is bound, which is before anybody asks. */
export interface Reach {
  host: string;
  port: number;
  /** Whether visitors can come by UDP. */
  packets: boolean;
}

/** What every group is told. */
export interface Basis {
  readonly settings: EngineSettings;
  readonly switches: Switches;
  readonly reach: Reach;
}

/** For TLS handshakes and first messages. */
const handshakeTimeoutMs = 10_000;
/** Silence that ends a UDP visitor's flow. */
const udpIdleMs = 60_000;
/** UDP visitors at one time. */
const maxUdpFlows = 4_096;
const maxVisitorsPerPort = 1_024;

type Ledger = ReturnType<typeof createLedger>;
type VisitorSide = ReturnType<typeof createVisitorSide>;
type ClientSide = ReturnType<typeof createClientSide>;

/** Who is connected, who holds which name, and which streams are awaited. */
export function createLedger({ settings, switches }: Basis) {
  const { clock, recordLimit, hostnameConflict, tokens, streamTimeoutMs: timeoutMs } = settings;
  const faults = () => switches.faults;
  const recorder = new Recorder(clock, recordLimit);
  const broker = new StreamBroker({ clock, timeoutMs, faults });
  return {
    faults,
    recorder,
    broker,
    authenticator: new Authenticator(tokens),
    registry: new Registry(),
    routes: new Routes(hostnameConflict, recorder, clock),
    packets: new PacketBroker(broker, faults),
    relay: createRelay(clock),
  };
}

type Scope = { readonly kind: 'engine' } | { readonly kind: 'route'; readonly route: string };

/** What visitors meet: the engine's own API, and published tunnels over HTTP and TLS. */
export function createVisitorSide({ settings, reach }: Basis, ledger: Ledger) {
  const { clock, authority, customDomains } = settings;
  const { authenticator, registry, routes, broker, relay } = ledger;
  const upstreams = new Upstreams(broker);
  const edge = new HttpEdge({ relay, routes, authenticator, upstreams });
  const api = new EngineApi({
    clock,
    authenticator,
    registry,
    feed: new EventFeed(registry, clock),
    isPublicName: (host) => host.includes('.t.') || customDomains.includes(host),
  });
  const http = new HttpServers<Scope>({
    request: (exchange, scope, socket) =>
      scope.kind === 'engine' ? api.request(exchange, socket) : edge.request(exchange, scope.route),
    upgrade: (request, socket, head, scope) =>
      scope.kind === 'engine'
        ? api.upgrade(request, socket, head, request.socket as TLSSocket)
        : edge.upgrade(request, socket, head, scope.route),
  });
  const published = new PublishedTunnels({
    ...{ relay, authority, routes, broker, upstreams, handshakeTimeoutMs },
    packets: () => reach.packets,
    serveHttp: (socket, route) => http.serve(socket, { kind: 'route', route }),
  });
  return { api, http, published };
}

/** What clients meet: connections that speak the protocol, and the tunnels opened on them. */
export function createClientSide({ settings, reach }: Basis, ledger: Ledger, { published }: VisitorSide) {
  const { clock, log, listen, advertise, domain, endpoint, customDomains, tcpPorts } = settings;
  const ports = new TcpPorts({
    host: listen.host,
    range: tcpPorts,
    maxConnectionsPerPort: maxVisitorsPerPort,
    onConnection: (port, socket) => void published.connect(portRoute(port), socket),
  });
  const known = [advertise?.host, listen.host].filter((name) => name !== undefined);
  const tunnels = new TunnelService({
    clock,
    ports,
    registry: ledger.registry,
    routes: ledger.routes,
    front: published,
    publicAddress: () => reach,
    hostnames: { domain, endpoint, customDomains, ownNames: known },
    countries: settings.countries,
    streamsOnClose: settings.streamsOnClose,
  });
  const runtime = new RuntimeConnections({
    ...ledger,
    clock,
    log,
    tunnels,
    firstMessageTimeoutMs: handshakeTimeoutMs,
  });
  return { ports, tunnels, runtime };
}

/** The one port, over TCP and UDP, and the certificates shown at it. Nothing is bound yet. */
export async function createDoors(
  { settings, switches }: Basis,
  { routes, packets }: Ledger,
  { http }: VisitorSide,
  { runtime }: ClientSide,
) {
  const { authority, clock, listen, maxConnections } = settings;
  const accepts = () => !switches.faults.refuseConnections;
  const serverNames = new ServerNames(authority);
  const names = ownNames(settings);
  const terminator = new TlsTerminator({
    certificate: await authority.issueServer(names),
    alpn: ['rstrm/1', 'h2', 'http/1.1'],
    clientCertificate: 'request',
    clientCa: authority.certificate,
    contextOf: (name) => serverNames.contextOf(name),
    handshakeTimeoutMs,
    onSocket: (socket) => serveOwn(socket, runtime, (plain) => http.serve(plain, { kind: 'engine' })),
  });
  const tcp = new EdgeListener({
    ...{ listen, clock, maxConnections, accepts },
    helloTimeoutMs: handshakeTimeoutMs,
    onHello: (socket, { serverName }) => {
      const route = serverName === undefined ? undefined : routes.routeOf(serverName);
      const accept = (route && routes.peek(route)?.acceptTls) || undefined;
      accept ? accept(socket) : terminator.accept(socket);
    },
  });
  const udp = new UdpPort({
    ...{ clock, authority, names, routes, packets, runtime, accepts },
    host: listen.host,
    idleMs: udpIdleMs,
    maxFlows: maxUdpFlows,
  });
  return { names, serverNames, tcp, udp };
}
