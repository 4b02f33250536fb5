import { expect } from 'chai';
import { engineHostname, randomStableHostname, stableHostname } from '../../src/rstream/stable-domain.ts';

describe('stable hostnames', () => {
  it('case 97: are made of a random slug, the endpoint and the cluster', () => {
    const hostname = randomStableHostname('https://Project-42.edge.example.com:443');
    expect(hostname).to.match(/^r[0-9a-f]{8}-project-42\.t\.edge\.example\.com$/);
    expect(randomStableHostname('https://Project-42.edge.example.com:443')).not.to.equal(hostname);
  });

  for (const engine of [
    ...['', '  ', 'localhost:443', 'bad_label.example.com:443', 'project.bad_cluster.example.com:443'],
    ...['[2001:db8::1]:443', '2001:db8::1', `${'a'.repeat(54)}.edge.example.com:443`, '192.0.2.10:443'],
  ]) {
    it(`case 97: do not exist for "${engine.slice(0, 30)}"`, () => {
      expect(randomStableHostname(engine)).to.equal(undefined);
    });
  }

  it('case 97: fill their first label to the last character', () => {
    const hostname = randomStableHostname(`${'a'.repeat(53)}.edge.example.com:443`);
    expect(hostname?.split('.')[0]).to.have.length(63);
  });

  for (const [engine, host] of [
    ['https://Host.Example.com:443', 'host.example.com'],
    ['https://host.example.com/path?x', 'host.example.com'],
    ['host.example.com.', 'host.example.com'],
    ['192.0.2.10:443', '192.0.2.10'],
  ] as const) {
    it(`case 97: reduce ${engine} to ${host}`, () => {
      expect(engineHostname(engine)).to.equal(host);
    });
  }

  it('take a slug that was made elsewhere', () => {
    expect(stableHostname('p.example.com:443', 'r01234567')).to.equal('r01234567-p.t.example.com');
    expect(stableHostname('p.example.com:443', 'r0123456789')).to.equal(undefined);
  });
});
