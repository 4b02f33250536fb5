// How a DNS server is reached and trusted, and which of its answers count; what is made of them is the resolver's tests.

import tls from 'node:tls';
import { expect } from 'chai';
import { DNSSEC_OK, type Packet } from 'dns-packet';
import { systemClock } from '../../src/common/clock.ts';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import { DnsResolver, type DnsSettings } from '../../src/rstream/dns-resolver.ts';
import { eventually } from '../support/eventually.ts';
import { fromZone, ScriptedDns } from '../support/scripted-dns.ts';
import { rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('a question to a DNS server', () => {
  let dns: ScriptedDns;
  beforeEach(async () => {
    dns = await ScriptedDns.start();
    dns.answer = fromZone({ 'engine.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] } });
  });
  afterEach(() => dns.stop());

  const resolver = (settings: Partial<DnsSettings> = {}) =>
    new DnsResolver({ override: `127.0.0.1:${dns.port}`, ...settings }, systemClock);
  const secure = (settings: Partial<DnsSettings> = {}) =>
    resolver({
      ...{ override: `127.0.0.1:${dns.tlsPort}`, tls: true, serverName: 'dns.example.test', ca: dns.ca },
      ...settings,
    });
  const ask = (by: DnsResolver) => by.resolve('engine.test', 4, never);
  const found = [{ address: '192.0.2.1', family: 4 }];

  it('asks it to look further, under a number nobody can guess, and for DNSSEC only where that is wanted', async () => {
    for (let time = 0; time < 8; time += 1) await ask(resolver());
    const ids = new Set(dns.queries.map(({ packet }) => packet.id));
    expect(ids.size).to.be.greaterThan(4);
    const [options] = dns.queries[0]?.packet.additionals ?? [];
    expect(options?.type === 'OPT' && options.flags & DNSSEC_OK).to.equal(0);
    expect(dns.queries[0]?.packet).to.include({ flag_rd: true, flag_ad: false });
  });

  it('takes an answer in which the name has other capitals', async () => {
    dns.spoil = (answer) => ({ ...answer, questions: [{ type: 'A', name: 'Engine.TEST' }] }) as Packet;
    expect(await ask(resolver())).to.deep.equal(found);
  });

  it('leaves no socket behind', async () => {
    dns.streams = 'kept open';
    const datagram = () => process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWrap').length;
    const before = datagram();
    await ask(resolver());
    await eventually('datagram sockets are closed', () => datagram() === before);
    await ask(secure());
    await eventually('connections are closed', () => dns.sockets.size === 0);
  });

  it('reads an answer over TLS that comes in pieces', async () => {
    dns.streams = 'in pieces';
    expect(await ask(secure())).to.deep.equal(found);
  });

  it('says that a server over TLS hung up', async () => {
    dns.streams = 'hung up';
    expect(await rejection(ask(secure())))
      .to.have.property('message')
      .that.contains('the DNS server closed the connection');
  });

  it('stops when told so while a server over TLS is silent', async () => {
    const cancel = new AbortController();
    dns.spoil = () => {
      cancel.abort(new Error('enough'));
      return undefined;
    };
    expect(await rejection(secure().resolve('engine.test', 4, cancel.signal))).to.have.property(
      'message',
      'enough',
    );
  });

  it('tells a server over TLS which name is meant, unless that is an address, which is checked too', async () => {
    await ask(secure());
    await ask(secure({ serverName: '127.0.0.1' }));
    expect(dns.serverNames).to.deep.equal(['dns.example.test', false]);
    await rejection(ask(secure({ serverName: '127.0.0.9' })));
    expect(dns.queries).to.have.length(2);
  });

  it("trusts the system's authorities, but no longer where another was given", async () => {
    const roots = tls.getCACertificates('default');
    const { certificate: ca } = await createCertificateAuthority();
    try {
      tls.setDefaultCACertificates([...roots, dns.ca]);
      expect(await rejection(ask(secure({ ca })))).to.have.property('code', 'ERR_RSTREAM_DNS');
      expect(dns.queries).to.have.length(0);
      expect(await ask(secure({ ca: undefined }))).to.deep.equal(found);
    } finally {
      tls.setDefaultCACertificates(roots);
    }
  });

  it('verifies a server under the name it is looked up by, where no other was given', async () => {
    const find = async () => [{ address: '127.0.0.1' }];
    const named = { override: `dns.example.test:${dns.tlsPort}`, tls: true, ca: dns.ca };
    expect(await ask(new DnsResolver(named, systemClock, find))).to.deep.equal(found);
  });

  for (const [override, place] of [
    ['::1', '::1:853'],
    ['[::1]', '::1:853'],
    ['[::1]:8853', '::1:8853'],
  ] as const) {
    it(`goes to ${place} for ${override} over TLS`, async () => {
      const error = await rejection(ask(secure({ override })));
      expect(error).to.have.property('message').that.contains(place);
    });
  }

  it('says that the server was not found', async () => {
    const find = () => Promise.reject(new Error('no such host'));
    const error = await rejection(ask(new DnsResolver({ override: 'dns.test' }, systemClock, find)));
    expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
    expect(error).to.have.property('message').that.contains('dns.test was not found: no such host');
  });
});
