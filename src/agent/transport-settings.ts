// config.yaml's connection section as settings of a transport. Empty groups count as absent.

import type { AgentConnectionConfig, AgentTransportConfig } from '../api/agent-config.ts';
import type { Clock } from '../common/clock.ts';
import type { TransportSettings } from '../rstream/create-transport.ts';
import { AgentError } from './errors.ts';
import { fileMaterial } from './material.ts';

type Network = NonNullable<TransportSettings['network']>;
type Env = Readonly<Record<string, string | undefined>>;

/** Throws ERR_AGENT_CONFIG naming the key that cannot be used. */
export function transportSettings(
  connection: AgentConnectionConfig,
  env: Env,
  clock: Clock,
): TransportSettings {
  const { transport = {}, mtls, tls } = connection;
  const network: Network = {
    bind: bindOf(transport),
    family: transport.ipFamily === 'ipv4' ? 4 : transport.ipFamily === 'ipv6' ? 6 : undefined,
    dns: dnsOf(transport),
    proxy: proxyOf(transport, env),
  };
  const used = Object.values(network).some((value) => value !== undefined);
  return {
    mode: modeOf(transport),
    mptcp: transport.mptcp,
    network: used ? network : undefined,
    tls: {
      material: fileMaterial(connection, clock),
      clientCertificate: mtls !== undefined,
      serverName: tls?.serverName,
    },
  };
}

/** The deprecated useQuic only counts where mode is absent. */
function modeOf({ mode, useQuic }: AgentTransportConfig): TransportSettings['mode'] {
  if (mode !== undefined) return mode;
  return useQuic === undefined ? 'auto' : useQuic ? 'quic' : 'tls';
}

function bindOf({ bind }: AgentTransportConfig): Network['bind'] {
  if (!bind || (bind.mode === undefined && !bind.address && !bind.interface)) return undefined;
  if (bind.mode === 'interface') {
    if (!bind.interface) throw refused('bind.interface is needed with bind.mode interface');
    return { mode: 'interface', interface: bind.interface };
  }
  if (!bind.address) throw refused('bind.address is needed with bind.mode address');
  return { mode: 'address', address: bind.address };
}

function dnsOf({ dns }: AgentTransportConfig): Network['dns'] {
  if (!dns) return undefined;
  const { override, tls = false, serverName, dnssec = false } = dns;
  if (tls && !override) throw refused('dns.tls needs dns.override');
  if (dnssec && !tls) throw refused('dns.dnssec needs dns.tls');
  if (!override) return undefined;
  return { override, tls, serverName, dnssec };
}

function proxyOf({ proxy }: AgentTransportConfig, env: Env): Network['proxy'] {
  if (!proxy) return undefined;
  const { http, usernameEnv, passwordEnv, headers } = proxy;
  const username = credential(usernameEnv, 'proxy.usernameEnv', env);
  const password = credential(passwordEnv, 'proxy.passwordEnv', env);
  if ((username === undefined) !== (password === undefined)) {
    throw refused('proxy.usernameEnv and proxy.passwordEnv must both be set or both be absent');
  }
  return { url: http, username, password, headers };
}

function credential(name: string | undefined, key: string, env: Env): string | undefined {
  if (!name) return undefined;
  const value = env[name];
  if (!value) throw refused(`${key} names the environment variable ${name}, which is not set`);
  return value;
}

function refused(message: string): AgentError {
  return new AgentError('ERR_AGENT_CONFIG', `connection.transport.${message}`);
}
