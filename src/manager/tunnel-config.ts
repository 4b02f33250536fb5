// From a tunnel's spec and what it resolved to, to the configuration of its agent. Pure; absent stays absent, and what
// Helm renders as "" or an empty list counts as absent.

import { isDatagram, isRawDatagram } from '../../charts-ts/schema/tunnel-rules.ts';
import type { AgentConfig } from '../api/agent-config.ts';
import { defaultTunnelName } from '../api/names.ts';
import type { RstreamConnectionSpec, RstreamTunnel, RstreamTunnelSpec } from '../api/resources.ts';
import { MESSAGE_HEADERS } from '../common/connect-headers.ts';
import { stableHostname } from './hostname.ts';

export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

export interface TunnelConfigInput {
  readonly tunnel: RstreamTunnel;
  readonly connection: RstreamConnectionSpec;
  /** `host:port` the connection resolved to. */
  readonly engine: string;
  readonly target: TunnelTarget;
  readonly clusterId: string;
  /** The hostname in the tunnel's own ConfigMap, when that is to be believed. */
  readonly previousHostname?: string | undefined;
}

export type TunnelType = 'bytestream' | 'datagram';

const mtlsDirectory = '/var/run/rstream/mtls';
const tlsCaFile = '/var/run/rstream/tls/ca.crt';
/** The schema fills it in, so that it says nothing about what the user wants. */
const defaultGraceSeconds = 30;
const longestDrainSeconds = 24 * 24 * 3600;

export function tunnelConfig(input: TunnelConfigInput): AgentConfig {
  const { metadata, spec } = input.tunnel;
  return present({
    connection: connectionConfig(input.connection, input.engine),
    tunnel: tunnelProperties(input),
    target: { host: input.target.host, port: String(input.target.port), protocol: input.target.protocol },
    kubernetes: {
      enabled: true,
      namespace: metadata.namespace,
      tunnelName: metadata.name,
      podNameEnv: 'RSTREAM_AGENT_POD_NAME',
      podNamespaceEnv: 'RSTREAM_AGENT_POD_NAMESPACE',
    },
    retry: { initial: '1s', max: '30s' },
    log: { level: spec.agent?.logLevel },
    drain: drainOf(spec),
  }) as AgentConfig;
}

function proxyHeaders(headers: Readonly<Record<string, string>> = {}): object {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !MESSAGE_HEADERS.includes(name.toLowerCase())),
  );
}

/** The type a tunnel has when its spec names none. */
export function tunnelType(spec: RstreamTunnelSpec): TunnelType {
  return isDatagram(spec) ? 'datagram' : 'bytestream';
}

export function rstreamName({ metadata, spec }: RstreamTunnel): string {
  return spec.tunnelName?.trim() || defaultTunnelName(metadata.namespace, metadata.name);
}

function connectionConfig(spec: RstreamConnectionSpec, engine: string): object {
  const { mtls, tls, transport } = spec;
  const proxy = transport?.proxy;
  return {
    engine,
    mtls: mtls?.certSecretRef && {
      certFile: `${mtlsDirectory}/tls.crt`,
      keyFile: `${mtlsDirectory}/tls.key`,
      caFile: mtls.caSecretRef && `${mtlsDirectory}/ca.crt`,
    },
    tls: { caFile: tls?.caSecretRef && tlsCaFile, serverName: tls?.serverName },
    transport: transport && {
      ...transport,
      bind: hasAny(transport.bind, ['interface', 'address'])
        ? { mode: 'address', ...transport.bind }
        : undefined,
      ipFamily: transport.ipFamily === 'auto' ? undefined : transport.ipFamily,
      proxy: proxy?.http && {
        http: proxy.http,
        usernameEnv: proxy.usernameSecretRef && 'RSTREAM_PROXY_USERNAME',
        passwordEnv: proxy.passwordSecretRef && 'RSTREAM_PROXY_PASSWORD',
        headers: proxyHeaders(proxy.headers),
      },
    },
  };
}

function tunnelProperties(input: TunnelConfigInput): object {
  const { metadata, spec } = input.tunnel;
  const protocol = sentProtocol(spec);
  return {
    name: rstreamName(input.tunnel),
    publish: isPublished(spec),
    protocol,
    type: tunnelType(spec),
    datagramGuaranteedDelivery: protocol === 'tcp' ? undefined : spec.datagramGuaranteedDelivery,
    allowCrossRegionRouting: spec.allowCrossRegionRouting,
    hostname: hostname(input),
    tcpPort: spec.tcpPort,
    labels: {
      ...spec.labels,
      'rstream.managed-by': 'kubernetes-operator',
      'rstream.source': 'kubernetes',
      'rstream.kubernetes.namespace': metadata.namespace,
      'rstream.kubernetes.name': metadata.name,
      'rstream.kubernetes.uid': metadata.uid,
    },
    upstreamTLS: protocol === 'tcp' ? undefined : spec.upstreamTLS,
    trustedIPs: spec.trustedIPs,
    geoip: spec.geoip,
    http: protocol === 'http' ? httpProperties(spec) : undefined,
    tls: protocol === 'tcp' ? undefined : spec.tls,
  };
}

function httpProperties({ http, upstreamTLS }: RstreamTunnelSpec): object {
  return { ...http, version: upstreamTLS ? undefined : http?.version || 'http/1.1' };
}

/** A private raw datagram tunnel is one without a protocol. */
function sentProtocol(spec: RstreamTunnelSpec): string | undefined {
  return isRawDatagram(spec) ? undefined : spec.protocol || 'http';
}

function hostname({ tunnel, engine, clusterId, previousHostname }: TunnelConfigInput): string | undefined {
  const { metadata, spec } = tunnel;
  if (!isPublished(spec) || spec.protocol === 'tcp') return undefined;
  const { namespace, name } = metadata;
  return (
    spec.hostname?.trim() ||
    stableHostname({ engine, clusterId, namespace, name, previous: previousHostname })
  );
}

function isPublished(spec: RstreamTunnelSpec): boolean {
  return spec.publish !== false;
}

/** Streams may take as long as the Pod has, less what ending it cleanly needs, and no longer than a timer can run. */
function drainOf({ agent }: RstreamTunnelSpec): object | undefined {
  const grace = agent?.terminationGracePeriodSeconds;
  return grace === undefined || grace === defaultGraceSeconds
    ? undefined
    : { timeout: `${Math.min(Math.max(0, grace - 5), longestDrainSeconds)}s` };
}

function hasAny(value: object | undefined, keys: readonly string[]): boolean {
  return Object.entries(value ?? {}).some(
    ([key, item]) => keys.includes(key) && item !== '' && item !== undefined,
  );
}

/** Whose keys are the user's: a label or a header may well be empty. */
const stringMaps = new Set(['labels', 'headers']);

/** A deep copy without undefined, "" and empty lists and objects. */
function present(value: object): object {
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const isGroup = typeof item === 'object' && item !== null && !Array.isArray(item) && !stringMaps.has(key);
    const kept = isGroup ? present(item) : item;
    return isAbsent(kept) ? [] : [[key, kept]];
  });
  return Object.fromEntries(entries);
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
