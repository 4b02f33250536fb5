import { expect } from 'chai';
import { parseCidr, refusedAddress } from '../../src/manager/address-policy.ts';

describe('the address policy for control planes', () => {
  const inside = [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0.0.0.0', '0.1.2.3'],
    ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.169.254'],
    ...[
      '168.63.129.16',
      '100.100.100.200',
      '192.0.0.192',
      '198.18.0.1',
      '192.0.2.1',
      '224.0.0.1',
      '240.0.0.1',
    ],
    ...['255.255.255.255', '::', '::1', '::2', '::127.0.0.1', '::10.0.0.1', 'fe80::1', 'fe80::1%eth0'],
    ...[
      'fec0::1',
      'fc00::1',
      'fd00:ec2::254',
      'ff02::1',
      '100::1',
      '2001:db8::1',
      '2002:7f00:1::',
      '2001:0:1::',
    ],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::ffff:a9fe:a9fe',
      '::ffff:0:127.0.0.1',
      '::ffff:168.63.129.16',
    ],
    ...['64:ff9b::7f00:1', '64:ff9b::a00:1', '64:ff9b:1::a00:1', '4000::1', 'not an address', ''],
  ];
  for (const address of inside) {
    it(`refuses ${address || 'nothing'}`, () => {
      expect(refusedAddress(address, [])).to.be.a('string');
    });
  }

  for (const address of [
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700::1111',
    '3a00::1',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ]) {
    it(`lets ${address} be reached`, () => {
      expect(refusedAddress(address, [])).to.equal(undefined);
    });
  }

  for (const [cidr, address, isAllowed] of [
    ['10.0.0.0/8', '10.9.9.9', true],
    ['10.0.0.0/8', '::ffff:10.9.9.9', true],
    ['10.0.0.0/8', '64:ff9b::a09:909', true],
    ['10.0.0.0/8', '11.0.0.1', true],
    ['10.0.0.0/8', '192.168.0.1', false],
    ['127.0.0.1', '127.0.0.2', false],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['fd00::1', 'fd00::1', true],
    ['fd00::1', 'fd00::2', false],
    ['::ffff:0:0/96', '10.0.0.1', false],
    ['168.63.129.16', '168.63.129.16', true],
  ] as const) {
    it(`with ${cidr} allowed ${isAllowed ? 'lets' : 'refuses'} ${address}`, () => {
      expect(refusedAddress(address, [parseCidr(cidr)]) === undefined).to.equal(isAllowed);
    });
  }
});
