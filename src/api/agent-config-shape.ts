// Which keys config.yaml has, and what each one may hold.

import type {
  AgentConfig,
  AgentConnectionConfig,
  AgentKubernetesConfig,
  AgentRetryConfig,
  AgentTargetConfig,
  AgentTransportConfig,
  AgentTunnelConfig,
} from './agent-config.ts';
import {
  boolean,
  duration,
  type Fields,
  listOf,
  mapOf,
  object,
  oneOf,
  optional,
  port,
  portString,
  type Shape,
  string,
} from './shape.ts';

type Group<T> = NonNullable<T>;

const text = optional(string);
const flag = optional(boolean);

const transport = object<AgentTransportConfig>({
  mode: optional(oneOf('auto', 'tls', 'quic')),
  bind: optional(
    object<Group<AgentTransportConfig['bind']>>({
      mode: optional(oneOf('address', 'interface')),
      interface: text,
      address: text,
    }),
  ),
  ipFamily: optional(oneOf('auto', 'ipv4', 'ipv6')),
  dns: optional(
    object<Group<AgentTransportConfig['dns']>>({ override: text, tls: flag, serverName: text, dnssec: flag }),
  ),
  mptcp: flag,
  proxy: optional(
    object<Group<AgentTransportConfig['proxy']>>({
      http: string,
      usernameEnv: text,
      passwordEnv: text,
      headers: optional(mapOf(possiblyEmpty)),
    }),
  ),
  useQuic: flag,
});

const connection = object<AgentConnectionConfig>({
  engine: string,
  mtls: optional(
    object<Group<AgentConnectionConfig['mtls']>>({ certFile: string, keyFile: string, caFile: text }),
  ),
  tls: optional(object<Group<AgentConnectionConfig['tls']>>({ caFile: text, serverName: text })),
  transport: optional(transport),
});

const http: Fields<Group<AgentTunnelConfig['http']>> = {
  version: optional(oneOf('http/1.1', 'h2c', 'h3')),
  auth: optional(object<Group<Group<AgentTunnelConfig['http']>['auth']>>({ token: flag, rstream: flag })),
  gate: optional(object<Group<Group<AgentTunnelConfig['http']>['gate']>>({ challenge: flag })),
};

const tls: Fields<Group<AgentTunnelConfig['tls']>> = {
  mode: optional(oneOf('terminated', 'passthrough')),
  minVersion: optional(oneOf('tls1.2', 'tls1.3')),
  alpns: optional(listOf(string)),
  mtls: flag,
};

const tunnel = object<AgentTunnelConfig>({
  name: text,
  publish: flag,
  protocol: optional(oneOf('http', 'tls', 'dtls', 'quic', 'tcp')),
  type: optional(oneOf('bytestream', 'datagram')),
  datagramGuaranteedDelivery: flag,
  allowCrossRegionRouting: flag,
  hostname: text,
  tcpPort: optional(port),
  labels: optional(mapOf(possiblyEmpty)),
  upstreamTLS: flag,
  trustedIPs: optional(listOf(string)),
  geoip: optional(listOf(string)),
  http: optional(object(http)),
  tls: optional(object(tls)),
});

const target = object<AgentTargetConfig>({
  host: string,
  port: portString,
  protocol: optional(oneOf('TCP', 'UDP')),
});

const kubernetes = object<AgentKubernetesConfig>({
  enabled: flag,
  namespace: text,
  tunnelName: text,
  podNameEnv: text,
  podNamespaceEnv: text,
});

const retry = object<AgentRetryConfig>({ initial: optional(duration), max: optional(duration) });

/** The whole file. */
export const agentConfigShape: Shape<AgentConfig> = object<AgentConfig>({
  connection,
  tunnel,
  target,
  kubernetes: optional(kubernetes),
  retry: optional(retry),
  log: optional(
    object<Group<AgentConfig['log']>>({ level: optional(oneOf('trace', 'debug', 'info', 'warn', 'error')) }),
  ),
  drain: optional(object<Group<AgentConfig['drain']>>({ timeout: optional(duration) })),
});

/** The value of a label or a header, which may be empty. */
function possiblyEmpty(value: unknown, path: string): string {
  return value === '' || value === null ? '' : string(value, path);
}
