import { expect } from 'chai';
import type { Transport } from '../../src/api/resources.ts';
import { connectionSpecProblem } from '../../src/manager/connection-plan.ts';

const problemOf = (transport: Transport) =>
  connectionSpecProblem({ engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' }, transport });

describe('what no agent could start with', () => {
  const problems: readonly (readonly [Transport, string])[] = [
    [{ bind: { address: 'eth0' } }, 'spec.transport.bind.address "eth0" is not an IP address'],
    [{ bind: { mode: 'address', address: ':::' } }, 'bind.address ":::" is not an IP address'],
    [{ bind: { address: '::1' }, ipFamily: 'ipv4' }, 'ipFamily, ipv4, allows'],
    [{ bind: { address: '192.0.2.1' }, ipFamily: 'ipv6' }, 'ipFamily, ipv6, allows'],
    [{ dns: { override: ':::' } }, 'spec.transport.dns.override ":::" has no IPv6 address'],
    [{ dns: { override: '[:]:53' } }, 'spec.transport.dns.override'],
    [{ dns: { override: '1:2:' } }, 'spec.transport.dns.override'],
    [{ proxy: { http: 'http://[:]:3128' } }, 'spec.transport.proxy.http "http://[:]:3128" is not a URL'],
  ];
  for (const [transport, sentence] of problems) {
    it(`is ${JSON.stringify(transport)}`, () => expect(problemOf(transport)).to.include(sentence));
  }

  const fine: readonly Transport[] = [
    {},
    { bind: { mode: 'interface', interface: 'eth0', address: 'eth0' } },
    { bind: {}, dns: {}, proxy: {} },
    { bind: { address: '' }, dns: { override: '' }, proxy: { http: '' } },
    { bind: { address: '192.0.2.1' }, ipFamily: 'ipv4' },
    { bind: { address: 'fe80::1%eth0' }, ipFamily: 'auto' },
    ...['192.0.2.53', 'dns.test:53', '::1', '[::1]', '[::1]:53'].map((override) => ({ dns: { override } })),
    ...['http://p', 'https://[::1]:3128/'].map((http) => ({ proxy: { http } })),
  ];
  for (const transport of fine) {
    it(`is not ${JSON.stringify(transport)}`, () => expect(problemOf(transport)).to.equal(undefined));
  }
});
