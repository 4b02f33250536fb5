// The IpAddress message as text and back: IPv4 travels as a number whose most significant byte is the first octet.

import { create } from '@bufbuild/protobuf';
import ipaddr from 'ipaddr.js';
import { type IpAddress, IpAddressSchema } from '../../generated/protobuf/rstream_pb.js';

/** `192.0.2.10` or `2001:db8::1`; undefined when the message is empty or malformed. */
export function formatIpAddress(message: IpAddress | undefined): string | undefined {
  const addr = message?.addr;
  if (addr?.case === 'v4') {
    return [24, 16, 8, 0].map((shift) => (addr.value >>> shift) & 0xff).join('.');
  }
  if (addr?.case === 'v6' && addr.value.length === 16)
    return ipaddr.fromByteArray([...addr.value]).toString();
  return undefined;
}

/** The message for a textual address (IPv4-mapped IPv6 becomes IPv4); undefined when it is not an address. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (!ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  const bytes = Uint8Array.from(address.toByteArray());
  if (address.kind() === 'ipv6') return create(IpAddressSchema, { addr: { case: 'v6', value: bytes } });
  const value = new DataView(bytes.buffer).getUint32(0);
  return create(IpAddressSchema, { addr: { case: 'v4', value } });
}
