// Name resolution against unbound, a real validating resolver.

import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { DnsResolver, type DnsSettings } from '../../src/rstream/dns-resolver.ts';
import { createNetworkPath } from '../../src/rstream/network-path.ts';
import { eventually } from '../support/eventually.ts';
import { rejection } from '../support/streams.ts';
import { Unbound } from '../support/unbound.ts';

const never = new AbortController().signal;

describe('a real resolver', () => {
  let unbound: Unbound;
  before(async () => {
    unbound = await Unbound.start();
  });
  after(() => unbound?.stop());

  const plain = (settings: Partial<DnsSettings> = {}): DnsSettings => ({
    override: `127.0.0.1:${unbound.port}`,
    ...settings,
  });
  const secure = (settings: Partial<DnsSettings> = {}): DnsSettings =>
    plain({
      override: `127.0.0.1:${unbound.tlsPort}`,
      tls: true,
      serverName: 'dns.example.net',
      ca: unbound.ca,
      ...settings,
    });
  const addresses = async (settings: DnsSettings, name: string, family?: 4 | 6) => {
    const found = await new DnsResolver(settings, systemClock).resolve(name, family, never);
    return found.map(({ address }) => address);
  };
  /** Questions it logged, as `name. type`. */
  const asked = () =>
    [...unbound.log.matchAll(/info: 127\.0\.0\.1 (\S+ \S+) IN/g)].map(([, question]) => question);

  it('answers for both families, or the only one allowed', async () => {
    expect(await addresses(plain(), 'engine.plain.example.net')).to.deep.equal(['192.0.2.1', '2001:db8::1']);
    expect(await addresses(plain(), 'engine.plain.example.net', 6)).to.deep.equal(['2001:db8::1']);
    expect(asked()).to.include('engine.plain.example.net. AAAA');
  });

  it('is not waited for when it drops questions about IPv6', async () => {
    const name = 'four.example.net';
    const resolver = new DnsResolver(plain(), systemClock);
    const started = performance.now();
    for (let time = 0; time < 3; time += 1) {
      expect(await resolver.resolve(name, undefined, never)).to.deep.equal([
        { address: '127.0.0.1', family: 4 },
      ]);
    }
    // Each time it would give up on the second datagram after four seconds.
    expect(performance.now() - started).to.be.lessThan(4_000);
    await eventually('its log has the question', () => asked().includes(`${name}. AAAA`));
    expect(asked().filter((question) => question === `${name}. A`)).to.have.length(1);
  });

  it('is asked again over TCP when its answer does not fit a datagram', async () => {
    const found = await addresses(plain(), 'crowd.plain.example.net', 4);
    expect(found).to.have.length(121);
  });

  it('is trusted over TLS under its own name only', async () => {
    expect(await addresses(secure(), 'one.plain.example.net', 4)).to.deep.equal(['192.0.2.1']);
    for (const settings of [{ serverName: 'other.example.net' }, { ca: undefined }]) {
      const error = await rejection(addresses(secure(settings), 'engine.plain.example.net', 4));
      expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
    }
  });

  it('has to have verified the answer with DNSSEC where that is asked for, a chain of aliases included', async () => {
    const verified = secure({ dnssec: true });
    expect(await addresses(verified, 'one.signed.example.net')).to.deep.equal(['192.0.2.1', '2001:db8::1']);
    expect(await addresses(verified, 'crowd.signed.example.net', 4)).to.have.length(121);

    expect(await addresses(secure(), 'out.signed.example.net', 4)).to.deep.equal(['192.0.2.1']);
    for (const name of ['one.plain.example.net', 'out.signed.example.net']) {
      const error = await rejection(addresses(verified, name));
      expect(error, name).to.have.property('message').that.contains('not authenticated by DNSSEC');
    }
  });

  it('says that a name does not exist, and is believed with DNSSEC', async () => {
    for (const settings of [plain(), secure({ dnssec: true })]) {
      const error = await rejection(addresses(settings, 'nobody.signed.example.net', 4));
      expect(error).to.have.property('message').that.contains('it has no IPv4 address');
    }
  });

  it('is reached at its second address when nothing listens at the first', async () => {
    // localhost is ::1 too, where this resolver does not listen.
    expect(
      await addresses(plain({ override: `localhost:${unbound.port}` }), 'engine.plain.example.net', 4),
    ).to.deep.equal(['192.0.2.1']);
  });

  it('finds the engine for connections and for datagrams', async () => {
    const path = createNetworkPath({ dns: secure({ dnssec: true }) }, systemClock);
    const engine = { host: 'two.signed.example.net', port: 443 };
    expect(await path.resolve(engine, never)).to.include({ address: '192.0.2.1', port: 443 });
  });
});
