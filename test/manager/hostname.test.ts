import { expect } from 'chai';
import { type StableHostnameInput, stableHostname } from '../../src/manager/hostname.ts';

const input: StableHostnameInput = {
  engine: 'p1.edge.example.com:443',
  clusterId: 'cluster',
  namespace: 'shop',
  name: 'web',
};
const hostname = (more: Partial<StableHostnameInput> = {}) => stableHostname({ ...input, ...more });

describe('the stable hostname', () => {
  // printf 'cluster/shop/web' | sha256sum
  it('is r, eight digits of a hash over cluster, namespace and name, and the stable domain of the engine', () => {
    expect(hostname()).to.equal('r696500d1-p1.t.edge.example.com');
  });

  it('is another one for another cluster, namespace or name, and the same on another day', () => {
    const all = [
      hostname(),
      hostname({ clusterId: 'c2' }),
      hostname({ namespace: 'n' }),
      hostname({ name: 'x' }),
    ];
    expect(new Set(all).size).to.equal(4);
    expect(hostname()).to.equal(hostname());
  });

  it('keeps the one in the ConfigMap while it has the shape of the engine', () => {
    expect(hostname({ previous: 'r0badcafe-p1.t.edge.example.com' })).to.equal(
      'r0badcafe-p1.t.edge.example.com',
    );
  });

  for (const previous of [
    'r0badcafe-p2.t.edge.example.com',
    'r0badcafe-p1.t.edge.example.org',
    'web.example.com',
    'x0badcafe-p1.t.edge.example.com',
    'r0badcaf-p1.t.edge.example.com',
    'r0BADCAFE-p1.t.edge.example.com',
    'evil.r0badcafe-p1.t.edge.example.com',
  ]) {
    it(`drops ${previous}`, () => {
      expect(hostname({ previous })).to.equal(hostname());
    });
  }

  for (const engine of [
    '192.0.2.1:443',
    '[2001:db8::1]:443',
    'engine:443',
    'localhost',
    `${'e'.repeat(54)}.example.com:443`,
    'not an engine',
  ]) {
    it(`is none with engine ${engine}`, () => {
      expect(hostname({ engine })).to.equal(undefined);
    });
  }

  it('has room for an endpoint of 53 characters', () => {
    expect(hostname({ engine: `${'e'.repeat(53)}.example.com` })).to.match(
      /^r[0-9a-f]{8}-e{53}\.t\.example\.com$/,
    );
  });
});
