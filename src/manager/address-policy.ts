// Which network addresses the control-plane client may connect to. Users choose the URL, the manager connects from inside
// the cluster: without this a RstreamConnection could reach metadata services and internal APIs and hand them a token.

import ipaddr from 'ipaddr.js';
import { CodedError } from '../common/errors.ts';
import { MANAGER_ERROR } from './errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A parsed CIDR of `--control-plane-allow-cidr`. */
export type Cidr = readonly [Address, number];

/** Public by range, but a cloud's metadata or platform endpoint all the same (Azure's wire server). */
const platformAddresses = new Set(['168.63.129.16']);

/** All that is assigned of IPv6 for the world: https://www.iana.org/assignments/ipv6-unicast-address-assignments */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/** Parses `10.0.0.0/8` or a single address; throws ERR_MANAGER_INVALID_FLAG. */
export function parseCidr(text: string): Cidr {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.parse(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw new CodedError(
      MANAGER_ERROR.invalidFlag,
      `"${text}" is not a CIDR; write one like 10.0.0.0/8 or fd00::/8`,
      { cause },
    );
  }
}

/** Why the address must not be connected to, or undefined when it may be. */
export function refusedAddress(text: string, allowed: readonly Cidr[]): string | undefined {
  if (!ipaddr.isValid(text)) return 'it is not an IP address';
  const address = innermost(ipaddr.parse(text));
  if (allowed.some((cidr) => contains(cidr, address))) return undefined;

  const range = address.range();
  if (range !== 'unicast') return `it is in the ${rangeWords(range)} range`;
  if (address instanceof ipaddr.IPv6 && !address.match(globalUnicast)) return 'it is not a global address';
  if (platformAddresses.has(address.toString())) return 'it is a cloud platform address';
  return undefined;
}

/** IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses reach the IPv4 address they carry. */
function innermost(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (address.range() !== 'rfc6052') return address;
  return ipaddr.IPv4.parse(address.toByteArray().slice(-4).join('.'));
}

function contains([network, bits]: Cidr, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

function rangeWords(range: string): string {
  return range.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
}
