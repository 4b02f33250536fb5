import type { NetworkInterfaceInfo } from 'node:os';
import { expect } from 'chai';
import { type Bind, type Interfaces, type IpFamily, localAddress } from '../../src/rstream/local-address.ts';

const info = (address: string): NetworkInterfaceInfo => {
  const isV6 = address.includes(':');
  const common = { address, netmask: '', mac: '', internal: false, cidr: null };
  return isV6 ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
};
const interfaces: Interfaces = {
  eth0: ['fe80::1', '2001:db8::1', '192.0.2.1', '192.0.2.2'].map(info),
  link: ['FE80::2'].map(info),
  six: ['2001:db8::6'].map(info),
};
const via = (name: string): Bind => ({ mode: 'interface', interface: name });
const from = (address: string): Bind => ({ mode: 'address', address });

describe('the local address', () => {
  const found: readonly (readonly [Bind, IpFamily | undefined, string, IpFamily])[] = [
    [from('192.0.2.9'), undefined, '192.0.2.9', 4],
    [from('2001:db8::9'), 6, '2001:db8::9', 6],
    [via('eth0'), undefined, '2001:db8::1', 6],
    [via('eth0'), 4, '192.0.2.1', 4],
    [via('eth0'), 6, '2001:db8::1', 6],
  ];
  for (const [bind, wanted, address, family] of found) {
    it(`of ${JSON.stringify(bind)} for ${wanted ?? 'any family'} is ${address}`, () => {
      expect(localAddress(bind, wanted, interfaces)).to.deep.equal({ address, family });
    });
  }

  const refused: readonly (readonly [Bind, IpFamily | undefined, string])[] = [
    [from('eth0'), undefined, 'not an IP address'],
    [from('192.0.2.9'), 6, 'not an IPv6 address'],
    [via('none'), undefined, 'no network interface none'],
    [via('link'), undefined, 'no IPv4 or IPv6 address'],
    [via('six'), 4, 'no IPv4 address'],
  ];
  for (const [bind, wanted, words] of refused) {
    it(`cannot be had of ${JSON.stringify(bind)} for ${wanted ?? 'any family'}`, () => {
      expect(() => localAddress(bind, wanted, interfaces))
        .to.throw(words)
        .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
    });
  }
});
