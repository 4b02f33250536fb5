// What the edge checks about a visitor before anything is asked of the agent: address lists, countries, tokens.

import { BlockList, isIP } from 'node:net';
import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import { invalidRequest } from './errors.ts';

/** A country for a range of addresses: there is no database of them in here. */
export interface CountryRange {
  readonly range: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
}

/** `192.0.2.1` for `::ffff:192.0.2.1`, everything else as it is. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');
}

/** Returns a sentence when the visitor may not pass, undefined when it may. */
export type AddressCheck = (address: string) => string | undefined;

/** The check of a tunnel's trusted_ips and geoip; throws 2000 for an entry that is not an address range or a country. */
export function addressCheck(properties: TunnelProperties, countries: readonly CountryRange[]): AddressCheck {
  const trusted = properties.trustedIps.length > 0 ? rangeList(properties.trustedIps) : undefined;
  const allowed = new Set(properties.geoip.map(countryCode));
  const lists = countries
    .filter(({ country }) => allowed.has(country.toUpperCase()))
    .map(({ range }) => rangeList([range]));

  return (address) => {
    if (trusted && !contains(trusted, address)) return 'this address is not among the trusted ones';
    if (allowed.size > 0 && !lists.some((list) => contains(list, address))) {
      return 'visitors of this country are not allowed';
    }
    return undefined;
  };
}

function countryCode(text: string): string {
  if (!/^[A-Za-z]{2}$/.test(text))
    throw invalidRequest(`geoip: "${text.slice(0, 20)}" is not a country code`);
  return text.toUpperCase();
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** The addresses and CIDR ranges as one list; throws 2000. */
export function rangeList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits, ...rest] = range.trim().split('/');
    const family = isIP(address);
    const width = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? width : Number(bits || 'x');
    if (family === 0 || rest.length > 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > width) {
      throw invalidRequest(`"${range.slice(0, 60)}" is not an IP address or CIDR range`);
    }
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
