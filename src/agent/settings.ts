// Everything the agent is told, from its flags, its configuration file and its environment, checked once before it starts.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type AgentConfig, parseAgentConfig } from '../api/agent-config.ts';
import type { Clock } from '../common/clock.ts';
import { parseDuration } from '../common/duration.ts';
import { messageOf } from '../common/errors.ts';
import { parseListenAddress } from '../common/listen-address.ts';
import type { LogLevel } from '../common/logging.ts';
import type { Redact } from '../common/redact.ts';
import { type CreatedTransport, createTransport } from '../rstream/create-transport.ts';
import { type EngineAddress, parseEngineAddress } from '../rstream/engine-address.ts';
import { type TunnelRequest, tunnelProperties } from '../rstream/tunnel-properties.ts';
import { withoutCredentials } from './credentials.ts';
import { AgentError } from './errors.ts';
import type { ReleaseMode } from './release.ts';
import type { TunnelIdentity } from './status-reporter.ts';
import type { TargetAddress } from './target.ts';
import { transportSettings } from './transport-settings.ts';
import { isDatagramRequest, tunnelRequest } from './tunnel-request.ts';

export interface AgentSettings extends CreatedTransport {
  readonly config: AgentConfig;
  readonly engine: EngineAddress;
  readonly token: string | undefined;
  /** Takes the credentials out of what others say. */
  readonly redact: Redact;
  readonly request: TunnelRequest;
  readonly target: TargetAddress;
  readonly retry: { readonly initialMs: number; readonly maxMs: number };
  readonly drainMs: number;
  readonly logLevel: LogLevel;
  readonly release: ReleaseMode;
  readonly healthBindAddress: string;
  /** The tunnel to report on, and as which Pod; undefined outside a cluster. */
  readonly report: { readonly tunnel: TunnelIdentity; readonly podName: string } | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

export const usage = `usage: rstream-agent --config FILE [--health-bind-address HOST:PORT] [--release close|drop]

Carries one rstream tunnel to one Service.

  --config FILE                     the agent's configuration (YAML)
  --health-bind-address HOST:PORT   where /healthz, /readyz and /metrics are served; default :8081
  --release close|drop              on SIGTERM, tell the engine (close, the default) or just end the control
                                    connection (drop, for engines that cut streams when a tunnel is closed)
  --help                            this text

The account token comes from the environment variable RSTREAM_AUTHENTICATION_TOKEN.
`;

/** Undefined for --help. Throws a CodedError whose message is one clear sentence. */
export function readSettings(args: readonly string[], env: Env, clock: Clock): AgentSettings | undefined {
  const flags = readFlags(args);
  if (flags.help) return undefined;
  if (!flags.config) throw refused('--config is missing; name the configuration file');
  const config = readConfig(flags.config);
  const token = env.RSTREAM_AUTHENTICATION_TOKEN?.trim() || undefined;
  checkCredentials(config, token);

  const request = tunnelRequest(config.tunnel);
  tunnelProperties(request);
  checkTarget(config, request);
  const transport = transportSettings(config.connection, env, clock);
  return {
    config,
    ...createTransport({ ...transport, datagram: isDatagramRequest(request) }, clock),
    engine: parseEngineAddress(config.connection.engine),
    token,
    redact: withoutCredentials(env, config.connection.transport?.proxy),
    request,
    target: { host: config.target.host, port: Number(config.target.port) },
    retry: readRetry(config),
    drainMs: durationOf(config.drain?.timeout, 'drain.timeout') ?? 25_000,
    logLevel: config.log?.level === 'trace' ? 'debug' : (config.log?.level ?? 'info'),
    release: flags.release,
    healthBindAddress: flags.health,
    report: readReport(config, env),
  };
}

function readFlags(args: readonly string[]) {
  const options = {
    config: { type: 'string' },
    'health-bind-address': { type: 'string', default: ':8081' },
    release: { type: 'string', default: 'close' },
    help: { type: 'boolean', default: false },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false });
    const { config, help, release, 'health-bind-address': health } = values;
    if (release !== 'close' && release !== 'drop') throw refused('--release must be close or drop');
    checkBindAddress(health);
    return { config, help, release, health } as const;
  } catch (error) {
    throw refused(messageOf(error));
  }
}

function checkBindAddress(address: string): void {
  try {
    parseListenAddress(address);
  } catch (error) {
    throw refused(`--health-bind-address: ${messageOf(error)}`);
  }
}

function readConfig(path: string): AgentConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refused(`${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    return parseAgentConfig(text);
  } catch (error) {
    throw refused(`${path}: ${messageOf(error)}`);
  }
}

function checkCredentials({ connection }: AgentConfig, token: string | undefined): void {
  if (connection.mtls && token !== undefined) {
    throw refused('connection.mtls and RSTREAM_AUTHENTICATION_TOKEN are both set; use one of them');
  }
  if (!connection.mtls && token === undefined) {
    throw refused('no credentials: set RSTREAM_AUTHENTICATION_TOKEN or connection.mtls');
  }
  if (connection.mtls?.caFile && connection.tls?.caFile) {
    throw refused('connection.mtls.caFile and connection.tls.caFile are both set; use one of them');
  }
}

function checkTarget({ target }: AgentConfig, request: TunnelRequest): void {
  const datagram = isDatagramRequest(request);
  if (datagram && target.protocol === 'TCP')
    throw refused('target.protocol must be UDP for a datagram tunnel');
  if (!datagram && target.protocol === 'UDP') {
    throw refused(
      'target.protocol UDP needs a datagram tunnel: tunnel.type datagram, protocol dtls or quic, or h3',
    );
  }
}

function readRetry({ retry }: AgentConfig): AgentSettings['retry'] {
  const initialMs = durationOf(retry?.initial, 'retry.initial') ?? 1_000;
  const maxMs = durationOf(retry?.max, 'retry.max') ?? Math.max(30_000, initialMs);
  if (!(initialMs > 0 && maxMs >= initialMs)) {
    throw refused('retry.initial must be more than 0 and at most retry.max');
  }
  return { initialMs, maxMs };
}

function readReport({ kubernetes, tunnel }: AgentConfig, env: Env): AgentSettings['report'] {
  if (!kubernetes?.enabled) return undefined;
  const { namespace, tunnelName, podNameEnv = 'RSTREAM_AGENT_POD_NAME' } = kubernetes;
  const podName = env[podNameEnv];
  if (!namespace) throw refused('kubernetes.namespace is missing');
  if (!tunnelName) throw refused('kubernetes.tunnelName is missing');
  if (!podName) throw refused(`the environment variable ${podNameEnv} (the name of this Pod) is not set`);
  const uid = tunnel.labels?.['rstream.kubernetes.uid'];
  return { tunnel: { namespace, name: tunnelName, uid }, podName };
}

function durationOf(text: string | undefined, key: string): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms > 2 ** 31 - 1)
    throw refused(`${key} must be a duration such as 30s, at most 24 days`);
  return ms;
}

function refused(message: string): AgentError {
  return new AgentError('ERR_AGENT_CONFIG', message);
}
