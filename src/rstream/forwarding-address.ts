// A tunnel's address as people read it: its public address with the protocol, or its name when it has none. Whether it is
// published is decided by what the engine returned, not by what was asked for.

import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import { RstreamError } from './errors.ts';

/** Throws ERR_RSTREAM_INVALID_TUNNEL when the properties hold neither address, name nor id. */
export function forwardingAddress(properties: TunnelProperties): string {
  const authority = publicAuthority(properties);
  if (authority !== undefined) return withProtocol(authority, properties.protocol);
  const name = properties.name ?? properties.id;
  if (name === undefined) {
    throw new RstreamError('ERR_RSTREAM_INVALID_TUNNEL', 'the tunnel has neither address, name nor id');
  }
  return `rstrm://${name} (unpublished)`;
}

function publicAuthority({ hostname, host, port, protocol }: TunnelProperties): string | undefined {
  if (hostname?.trim()) {
    const effective = port ?? 443;
    const showPort = protocol === 'tls' || protocol === 'tcp' || effective !== 443;
    return showPort ? `${hostname}:${effective}` : hostname;
  }
  return host?.trim() ? host : undefined;
}

function withProtocol(authority: string, protocol: string | undefined): string {
  switch (protocol) {
    case 'http':
      return `https://${authority}`;
    case 'webtty':
      return `https://${authority} (webtty)`;
    case 'tls':
    case 'tcp':
    case 'dtls':
    case 'quic':
      return `${authority} (${protocol})`;
    default:
      return authority;
  }
}
