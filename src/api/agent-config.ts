// The agent's configuration file, config.yaml: the contract between manager and agent, and the format of rstream's
// Go agent, so that either agent runs under either manager. Reading is strict, writing is deterministic.

import { parseDocument, stringify } from 'yaml';

import { messageOf } from '../common/errors.ts';
import { agentConfigShape } from './agent-config-shape.ts';
import { AgentConfigError } from './errors.ts';

export interface AgentConfig {
  readonly connection: AgentConnectionConfig;
  readonly tunnel: AgentTunnelConfig;
  readonly target: AgentTargetConfig;
  readonly kubernetes?: AgentKubernetesConfig | undefined;
  readonly retry?: AgentRetryConfig | undefined;
  /** Ours: written only when the user set it. */
  readonly log?: { readonly level?: AgentLogLevel | undefined } | undefined;
  /** Ours: how long streams may run on after SIGTERM before the agent ends them; absent leaves it to the agent. */
  readonly drain?: { readonly timeout?: string | undefined } | undefined;
}

export type AgentLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface AgentConnectionConfig {
  /** `host:port`. */
  readonly engine: string;
  readonly mtls?:
    | { readonly certFile: string; readonly keyFile: string; readonly caFile?: string | undefined }
    | undefined;
  /** Ours: a private CA or another certificate name, with token authentication too. */
  readonly tls?:
    | { readonly caFile?: string | undefined; readonly serverName?: string | undefined }
    | undefined;
  readonly transport?: AgentTransportConfig | undefined;
}

export interface AgentTransportConfig {
  readonly mode?: 'auto' | 'tls' | 'quic' | undefined;
  readonly bind?:
    | {
        readonly mode?: 'address' | 'interface' | undefined;
        readonly interface?: string | undefined;
        readonly address?: string | undefined;
      }
    | undefined;
  readonly ipFamily?: 'auto' | 'ipv4' | 'ipv6' | undefined;
  readonly dns?:
    | {
        readonly override?: string | undefined;
        readonly tls?: boolean | undefined;
        readonly serverName?: string | undefined;
        readonly dnssec?: boolean | undefined;
      }
    | undefined;
  readonly mptcp?: boolean | undefined;
  readonly proxy?: AgentProxyConfig | undefined;
  readonly useQuic?: boolean | undefined;
}

export interface AgentProxyConfig {
  /** The proxy's URL, without user info. */
  readonly http: string;
  /** Name of the environment variable that holds the user name. */
  readonly usernameEnv?: string | undefined;
  readonly passwordEnv?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface AgentTunnelConfig {
  readonly name?: string | undefined;
  readonly publish?: boolean | undefined;
  readonly protocol?: 'http' | 'tls' | 'dtls' | 'quic' | 'tcp' | undefined;
  readonly type?: 'bytestream' | 'datagram' | undefined;
  readonly datagramGuaranteedDelivery?: boolean | undefined;
  readonly allowCrossRegionRouting?: boolean | undefined;
  readonly hostname?: string | undefined;
  readonly tcpPort?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly upstreamTLS?: boolean | undefined;
  readonly trustedIPs?: readonly string[] | undefined;
  readonly geoip?: readonly string[] | undefined;
  readonly http?:
    | {
        readonly version?: 'http/1.1' | 'h2c' | 'h3' | undefined;
        readonly auth?:
          | { readonly token?: boolean | undefined; readonly rstream?: boolean | undefined }
          | undefined;
        readonly gate?: { readonly challenge?: boolean | undefined } | undefined;
      }
    | undefined;
  readonly tls?:
    | {
        readonly mode?: 'terminated' | 'passthrough' | undefined;
        readonly minVersion?: 'tls1.2' | 'tls1.3' | undefined;
        readonly alpns?: readonly string[] | undefined;
        readonly mtls?: boolean | undefined;
      }
    | undefined;
}

export interface AgentTargetConfig {
  readonly host: string;
  /** Decimal, 1–65535. */
  readonly port: string;
  /** Absent means TCP. */
  readonly protocol?: 'TCP' | 'UDP' | undefined;
}

export interface AgentKubernetesConfig {
  readonly enabled?: boolean | undefined;
  readonly namespace?: string | undefined;
  readonly tunnelName?: string | undefined;
  /** Name of the environment variable that holds the Pod's name. */
  readonly podNameEnv?: string | undefined;
  readonly podNamespaceEnv?: string | undefined;
}

/** Bounds of the delay between connection attempts, as durations like `1s`. */
export interface AgentRetryConfig {
  readonly initial?: string | undefined;
  readonly max?: string | undefined;
}

/** Far more than the API's bounds on lists and labels allow; a parser of YAML needs seconds for a megabyte of brackets. */
const maxCharacters = 256 * 1024;

/**
 * Reads a configuration file. Absent, null and "" are the same: not set.
 *
 * @throws AgentConfigError naming the path of an unknown key, a missing key or a value that cannot be used.
 */
export function parseAgentConfig(text: string): AgentConfig {
  if (text.length > maxCharacters) {
    throw new AgentConfigError('', `is longer than ${maxCharacters} characters`);
  }
  return agentConfigShape(readYaml(text), '');
}

/** Writes a configuration file: keys sorted, unset ones left out, equal configurations always equal text. */
export function stringifyAgentConfig(config: AgentConfig): string {
  return stringify(config, {
    sortMapEntries: true,
    keepUndefined: false,
    aliasDuplicateObjects: false,
    lineWidth: 0,
    compat: 'yaml-1.1',
  });
}

function readYaml(text: string): unknown {
  try {
    const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' });
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    return document.toJS({ mapAsMap: true });
  } catch (error) {
    // Below its first line the parser draws the place, with the lines around it.
    const [sentence = ''] = messageOf(error).split(':\n');
    throw new AgentConfigError('', `is not valid YAML: ${sentence}`, { cause: error });
  }
}
