// From which local address connections leave: none, a literal one, or the first usable one of a network interface.

import { isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { RstreamError } from './errors.ts';

export type IpFamily = 4 | 6;

export type Bind =
  | { readonly mode: 'address'; readonly address: string }
  | { readonly mode: 'interface'; readonly interface: string };

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** The address and its family, which the remote address then must have too. Throws ERR_RSTREAM_INVALID_CONFIG. */
export function localAddress(
  bind: Bind,
  family: IpFamily | undefined,
  interfaces: Interfaces,
): { readonly address: string; readonly family: IpFamily } {
  if (bind.mode === 'address') return literal(bind.address, family);
  const own = interfaces[bind.interface];
  if (!own) return refuse(`there is no network interface ${bind.interface} with an address`);
  const usable = own.filter((info) => !info.address.toLowerCase().startsWith('fe80:'));
  const found = usable.find((info) => family === undefined || info.family === `IPv${family}`);
  if (!found) return refuse(`network interface ${bind.interface} has no IPv${family ?? '4 or IPv6'} address`);
  return { address: found.address, family: found.family === 'IPv6' ? 6 : 4 };
}

function literal(address: string, family: IpFamily | undefined) {
  const own = isIP(address);
  if (own !== 4 && own !== 6) return refuse(`"${address}" is not an IP address to bind to`);
  if (family !== undefined && family !== own) {
    return refuse(`the address to bind to, ${address}, is not an IPv${family} address`);
  }
  return { address, family: own } as const;
}

function refuse(message: string): never {
  throw new RstreamError('ERR_RSTREAM_INVALID_CONFIG', message);
}
