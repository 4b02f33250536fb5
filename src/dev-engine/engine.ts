// The engine put together: one port for the protocol, the HTTP API and published names, TLS and QUIC, a port range for tcp
// tunnels, and the stand-in control plane. For demos, tests and offline development; never a production edge.

import type { Authenticator } from './authenticator.ts';
import { bindBoth } from './bind-both.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { defaultProject, reachableHost } from './engine-names.ts';
import { type EngineOptions, withDefaults } from './engine-options.ts';
import {
  type Basis,
  createClientSide,
  createDoors,
  createLedger,
  createVisitorSide,
  type Switches,
} from './engine-parts.ts';
import { noFaults } from './faults.ts';
import type { Recorder } from './recorder.ts';
import type { Registry } from './registry.ts';
import type { Routes } from './routes.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { TunnelService } from './tunnel-service.ts';

export interface Engine extends Switches {
  /** What clients dial: `host:port`. */
  readonly address: string;
  readonly host: string;
  /** The one bound, whatever is advertised. */
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
  /** Counts, for people and tests. */
  status(): Readonly<Record<string, number>>;
  /** Cuts everything and stops listening. */
  close(): Promise<void>;
}

type Doors = Awaited<ReturnType<typeof createDoors>>;

/** Resolves once every listener is bound. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const settings = withDefaults(options);
  const switches: Switches = { faults: noFaults(), projects: [], controlPlaneFault: undefined };
  const basis: Basis = { settings, switches, reach: { host: '', port: 0, packets: false } };

  const ledger = createLedger(basis);
  const visitorSide = createVisitorSide(basis, ledger);
  const clientSide = createClientSide(basis, ledger, visitorSide);
  const doors = await createDoors(basis, ledger, visitorSide, clientSide);

  const port = await open(basis, doors);
  switches.projects = [defaultProject(settings, basis.reach.port)];
  const controlPlane = await openControlPlane(basis, ledger.authenticator, doors);

  const { host, port: publicPort } = basis.reach;
  const { authenticator, registry, routes, broker, recorder } = ledger;
  // Assigned to and not copied from: the parts read the very object that is turned here.
  return Object.assign(switches, {
    address: `${host.includes(':') ? `[${host}]` : host}:${publicPort}`,
    ...{ host, port, authenticator, registry, routes, broker, recorder },
    domain: settings.domain,
    endpoint: settings.endpoint,
    authority: settings.authority,
    controlPlanePort: controlPlane?.port,
    tunnels: clientSide.tunnels,
    status: () => ({
      connections: doors.tcp.connections,
      clients: registry.clients.length,
      tunnels: registry.tunnels.length,
      streams: registry.tunnels.reduce((sum, tunnel) => sum + tunnel.streams.size, 0),
      pendingStreams: broker.pending,
      ...doors.udp.counts,
    }),
    close: async () => {
      visitorSide.api.close();
      for (const client of registry.clients) client.end('drop');
      await Promise.all([
        doors.tcp.close(),
        doors.udp.close(),
        controlPlane?.close(),
        clientSide.ports.close(),
      ]);
    },
  });
}

/** Binds the port and learns where the engine is reached. */
async function open({ settings, reach }: Basis, { tcp, udp }: Doors): Promise<number> {
  const { listen, advertise, quic, log } = settings;
  const openUdp = async (port: number) => {
    const missing = quic ? await udp.start(port) : undefined;
    if (missing) log.info({ reason: missing }, 'serving without QUIC');
  };
  const port = await bindBoth(tcp, openUdp, listen.port === 0 ? 10 : 1);
  reach.host = advertise?.host ?? reachableHost(listen.host);
  reach.port = advertise?.port || port;
  reach.packets = udp.open;
  return port;
}

async function openControlPlane(
  { settings, switches }: Basis,
  authenticator: Authenticator,
  { names, serverNames }: Doors,
): Promise<ControlPlane | undefined> {
  const { controlPlane: listen, clock, authority, log } = settings;
  if (!listen) return undefined;
  return await startControlPlane({
    ...{ listen, clock, authority, names, serverNames, authenticator },
    projects: () => switches.projects,
    fault: () => switches.controlPlaneFault,
    onRequest: (method, path) => log.debug({ method, path }, 'control plane asked'),
  });
}
