// What of spec.transport no agent could start with although the schema takes it: patterns tell little about addresses, so
// they are parsed here, and the connection says so instead of every agent of its tunnels. Pure.

import { isIP, isIPv6 } from 'node:net';
import type { Transport } from '../api/resources.ts';

export function transportProblem(transport: Transport): string | undefined {
  return bindProblem(transport) ?? resolverProblem(transport) ?? proxyProblem(transport);
}

function bindProblem({ bind, ipFamily }: Transport): string | undefined {
  const address = bind?.mode === 'interface' ? '' : bind?.address;
  if (!address) return undefined;
  const family = isIP(address);
  if (family === 0)
    return `spec.transport.bind.address "${address}" is not an IP address; write one like 192.0.2.1`;
  const isOther = (ipFamily === 'ipv4' && family === 6) || (ipFamily === 'ipv6' && family === 4);
  return isOther
    ? `spec.transport.bind.address ${address} is not of the family that spec.transport.ipFamily, ${ipFamily}, allows; change one of them`
    : undefined;
}

function resolverProblem({ dns }: Transport): string | undefined {
  const { override = '' } = dns ?? {};
  const [, bracketed] = /^\[(.*)\]/.exec(override) ?? [];
  const address = bracketed ?? (override.split(':').length > 2 ? override : undefined);
  if (address === undefined || isIPv6(address)) return undefined;
  return `spec.transport.dns.override "${override}" has no IPv6 address; write one like [2001:db8::53]:853`;
}

function proxyProblem({ proxy }: Transport): string | undefined {
  if (!proxy?.http || URL.canParse(proxy.http)) return undefined;
  return `spec.transport.proxy.http "${proxy.http}" is not a URL; write one like http://proxy.example.com:3128`;
}
