// Settings that are valid but that this agent cannot honour: they are named, never ignored.

import type { AgentConfig } from '../api/agent-config.ts';

/** One sentence for the first setting this agent cannot honour, or undefined when it can do everything asked. */
export function unsupportedSetting(config: AgentConfig): string | undefined {
  const { transport } = config.connection;
  const { tunnel, target } = config;
  const { bind } = transport ?? {};
  const datagram =
    tunnel.type === 'datagram' ||
    tunnel.protocol === 'dtls' ||
    tunnel.protocol === 'quic' ||
    tunnel.http?.version === 'h3';

  const found: ReadonlyArray<readonly [string, boolean]> = [
    ['connection.transport.mode: quic', transport?.mode === 'quic'],
    ['connection.transport.useQuic', transport?.mode === undefined && transport?.useQuic === true],
    ['connection.transport.bind', bind?.address !== undefined || bind?.interface !== undefined],
    ['connection.transport.ipFamily', (transport?.ipFamily ?? 'auto') !== 'auto'],
    ['connection.transport.dns', transport?.dns?.override !== undefined],
    ['connection.transport.mptcp', transport?.mptcp === true],
    ['connection.transport.proxy', transport?.proxy !== undefined],
    ['datagram tunnels (tunnel.type, tunnel.protocol, tunnel.http.version)', datagram],
    ['target.protocol: UDP', target.protocol === 'UDP'],
  ];
  const [name] = found.find(([, used]) => used) ?? [];
  return name === undefined ? undefined : `${name} cannot be used with this agent; remove it`;
}
