// What an engine can be told, and what it does where it was told nothing.

import { type Clock, systemClock } from '../common/clock.ts';
import type { ListenAddress } from '../common/listen-address.ts';
import { type Logger, silentLogger } from '../common/logging.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { ConflictPolicy } from './routes.ts';
import type { PortRange } from './tcp-ports.ts';
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
  /** Absent: tcp tunnels are refused. */
  readonly tcpPorts?: PortRange;
  /** Default refuse. */
  readonly hostnameConflict?: ConflictPolicy;
  /** Default keep. */
  readonly streamsOnClose?: 'keep' | 'cut';
  readonly countries?: readonly CountryRange[];
  readonly regions?: readonly string[];
  readonly controlPlane?: ListenAddress;
  /** How long an agent may take to dial back; default 30 s. */
  readonly streamTimeoutMs?: number;
  /** On the TCP port, at one time; default 8192. */
  readonly maxConnections?: number;
  /** Whether the port is open over UDP too, where QUIC is available; default true. */
  readonly quic?: boolean;
  /** Entries the recorder keeps; default 0, nothing. */
  readonly recordLimit?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
}

type WithoutDefault = 'advertise' | 'tcpPorts' | 'controlPlane';

export type EngineSettings = Required<Omit<EngineOptions, WithoutDefault>> &
  Pick<EngineOptions, WithoutDefault>;

export function withDefaults(options: EngineOptions): EngineSettings {
  return {
    domain: 'engine.localhost',
    endpoint: '0de7e460',
    customDomains: [],
    hostnameConflict: 'refuse',
    streamsOnClose: 'keep',
    countries: [],
    regions: [],
    streamTimeoutMs: 30_000,
    maxConnections: 8192,
    quic: true,
    recordLimit: 0,
    clock: systemClock,
    log: silentLogger,
    ...options,
  };
}
