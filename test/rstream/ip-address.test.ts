import { expect } from 'chai';
import { formatIpAddress, parseIpAddress } from '../../src/rstream/ip-address.ts';

describe('ip addresses on the wire', () => {
  for (const [text, back] of [
    ['192.0.2.10', '192.0.2.10'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:192.0.2.10', '192.0.2.10'],
  ] as const) {
    it(`carries ${text}`, () => expect(formatIpAddress(parseIpAddress(text))).to.equal(back));
  }

  it('knows what is none', () => {
    expect(parseIpAddress('visitor')).to.equal(undefined);
    expect(formatIpAddress(undefined)).to.equal(undefined);
  });
});
