import { expect } from 'chai';
import { AUTHENTIC_DATA, DNSSEC_OK, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { systemClock } from '../../src/common/clock.ts';
import { DnsResolver, type DnsSettings } from '../../src/rstream/dns-resolver.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { fromZone, ScriptedDns } from '../support/scripted-dns.ts';
import { rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('DnsResolver', () => {
  let dns: ScriptedDns;
  beforeEach(async () => {
    dns = await ScriptedDns.start();
    dns.answer = fromZone({
      'engine.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
      'six.test': { AAAA: ['2001:db8::6'] },
      'alias.test': { CNAME: 'alias2.test' },
      'alias2.test': { CNAME: 'Engine.test' },
      'loop.test': { CNAME: 'loop.test' },
    });
  });
  afterEach(() => dns.stop());

  const plain = (settings: Partial<DnsSettings> = {}) =>
    new DnsResolver({ override: `127.0.0.1:${dns.port}`, ...settings }, systemClock);
  const secure = (settings: Partial<DnsSettings> = {}) =>
    plain({
      override: `127.0.0.1:${dns.tlsPort}`,
      tls: true,
      serverName: 'dns.example.test',
      ca: dns.ca,
      ...settings,
    });
  const addresses = async (resolver: DnsResolver, name: string, family?: 4 | 6) =>
    (await resolver.resolve(name, family, never)).map(({ address }) => address);

  it('finds both families, IPv4 first', async () => {
    expect(await addresses(plain(), 'engine.test')).to.deep.equal(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
    expect(await addresses(plain(), 'six.test')).to.deep.equal(['2001:db8::6']);
  });

  it('asks only for the family that is allowed', async () => {
    expect(await addresses(plain(), 'engine.test', 6)).to.deep.equal(['2001:db8::1']);
    expect(dns.queries.map(({ packet }) => packet.questions?.[0]?.type)).to.deep.equal(['AAAA']);
  });

  it('fails when the system refuses to send to the server at all', async () => {
    // Nobody may broadcast who has not asked to: refused by connect, as an address without a route is.
    const error = await rejection(addresses(plain({ override: '255.255.255.255' }), 'engine.test', 4));
    expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
    expect(error).to.have.property('message').that.contains('EACCES');
  });

  it('follows aliases, and gives up on a circle', async () => {
    expect(await addresses(plain(), 'alias.test', 4)).to.deep.equal(['192.0.2.1', '192.0.2.2']);
    const error = await rejection(addresses(plain(), 'loop.test'));
    expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
    expect(error).to.have.property('message').that.contains('more than 8 aliases');
  });

  it('follows eight aliases, and not nine', async () => {
    const chain = Array.from(
      { length: 9 },
      (_, at) => [`a${at}.test`, { CNAME: `a${at + 1}.test` }] as const,
    );
    dns.answer = fromZone({ ...Object.fromEntries(chain), 'a9.test': { A: ['192.0.2.9'] } });
    expect(await addresses(plain(), 'a1.test', 4)).to.deep.equal(['192.0.2.9']);
    await rejection(addresses(plain(), 'a0.test', 4));
  });

  it('with DNSSEC wants each answer of a chain authenticated', async () => {
    dns.spoil = (answer) => {
      const isAlias = answer.answers?.some(({ type }) => type === 'CNAME');
      return { ...answer, flags: isAlias ? 0 : AUTHENTIC_DATA };
    };
    expect(await addresses(secure({ dnssec: true }), 'engine.test', 4)).to.have.length(2);
    const error = await rejection(addresses(secure({ dnssec: true }), 'alias.test', 4));
    expect(error).to.have.property('message').that.contains('not authenticated');
  });

  it('gives what it found of one family when the other fails, and says why where both do', async () => {
    const servfail = 2;
    const failing = (type: string) => {
      dns.spoil = (answer) =>
        answer.questions?.[0]?.type === type ? { ...answer, answers: [], flags: servfail } : answer;
    };
    failing('A');
    expect(await addresses(plain(), 'engine.test')).to.deep.equal(['2001:db8::1']);
    failing('AAAA');
    expect(await addresses(plain(), 'engine.test')).to.deep.equal(['192.0.2.1', '192.0.2.2']);
    const error = await rejection(addresses(plain(), 'nowhere.test'));
    expect(error).to.have.property('message').that.contains('SERVFAIL');
  });

  it('takes a whole chain out of one answer', async () => {
    dns.answer = () => [
      { name: 'a.test', type: 'CNAME', ttl: 60, data: 'b.test' },
      { name: 'other.test', type: 'A', ttl: 60, data: '192.0.2.99' },
      { name: 'b.test', type: 'A', ttl: 60, data: '192.0.2.7' },
    ];
    expect(await addresses(plain(), 'a.test', 4)).to.deep.equal(['192.0.2.7']);
    expect(dns.queries).to.have.length(1);
  });

  it('asks again over TCP when the answer was cut short', async () => {
    dns.spoil = (answer, over) =>
      over === 'udp' ? { ...answer, answers: [], flags: TRUNCATED_RESPONSE } : answer;

    expect(await addresses(plain(), 'engine.test', 4)).to.have.length(2);
    expect(dns.queries.map(({ over }) => over)).to.deep.equal(['udp', 'tcp']);
  });

  it('asks a second time when a server fails', async () => {
    let failures = 0;
    dns.spoil = (answer) => {
      failures += 1;
      return failures === 1 ? { ...answer, answers: [], flags: 2 } : answer;
    };
    expect(await addresses(plain(), 'engine.test', 4)).to.have.length(2);
  });

  it('asks the next address of its server when one refuses, and when one is silent', async () => {
    const silent = await ScriptedDns.start('127.0.0.2', dns.port);
    silent.spoil = () => undefined;
    const clock = new ManualClock();
    const find = async () => ['127.0.0.9', '127.0.0.2', '127.0.0.1'].map((address) => ({ address }));
    const resolver = new DnsResolver({ override: `dns.example.test:${dns.port}` }, clock, find);
    const resolving = resolver.resolve('six.test', 6, never);
    await eventually('the silent one is asked', () => silent.queries.length === 1);
    await clock.advance(2_000);
    expect(await resolving).to.deep.equal([{ address: '2001:db8::6', family: 6 }]);
    expect(dns.queries).to.have.length(1);
    silent.stop();
  });

  for (const [what, spoil] of [
    ['another query', (answer: Packet) => ({ ...answer, id: ((answer.id ?? 0) + 1) % 65_536 })],
    ['another name', (answer: Packet) => ({ ...answer, questions: [{ type: 'A', name: 'other.test' }] })],
    ['another type', (answer: Packet) => ({ ...answer, questions: [{ type: 'AAAA', name: 'engine.test' }] })],
    ['nothing, but ask', (answer: Packet) => ({ ...answer, type: 'query' })],
  ] as const) {
    it(`ignores datagrams that answer ${what}`, async () => {
      const clock = new ManualClock();
      dns.spoil = (answer) => spoil(answer) as Packet;
      const resolver = new DnsResolver({ override: `127.0.0.1:${dns.port}` }, clock);
      const resolving = rejection(resolver.resolve('engine.test', 4, AbortSignal.timeout(20_000)));
      for (let round = 0; round < 2; round += 1) {
        await eventually('it asks', async () => {
          await clock.advance(1);
          return dns.queries.length > round;
        });
        await clock.advance(2_000);
      }

      expect(await resolving)
        .to.have.property('message')
        .that.contains('Timed out');
    });
  }

  it('says why a name has no address', async () => {
    dns.spoil = (answer) => ({ ...answer, flags: 3 });
    const error = await rejection(addresses(plain(), 'nowhere.test'));
    expect(error).to.have.property(
      'message',
      'resolving nowhere.test failed: it has no IPv4 or IPv6 address',
    );
  });

  it('remembers an answer for its time to live', async () => {
    const clock = new ManualClock();
    const resolver = new DnsResolver({ override: `127.0.0.1:${dns.port}` }, clock);
    await resolver.resolve('engine.test', 4, never);
    await resolver.resolve('engine.test', 4, never);
    expect(dns.queries).to.have.length(1);

    await clock.advance(60_000);
    await resolver.resolve('engine.test', 4, never);
    expect(dns.queries).to.have.length(2);
    await resolver.resolve('engine.test', 6, never);
    expect(dns.queries, 'the other family is another answer').to.have.length(3);
  });

  it('remembers no longer than any alias on the way says', async () => {
    const resolver = plain();
    for (const [ttl, asked] of [
      [60, 1],
      [0, 3],
    ] as const) {
      dns.queries.length = 0;
      const name = `ttl-${ttl}.test`;
      dns.answer = () => [
        { type: 'CNAME', name, ttl, data: 'b.test' },
        { type: 'A', name: 'b.test', ttl: 60, data: '192.0.2.7' },
      ];
      for (let time = 0; time < 3; time += 1) await addresses(resolver, name, 4);
      expect(dns.queries, `alias for ${ttl} s`).to.have.length(asked);
    }
  });

  it('remembers 64 names, and each for five minutes at most', async () => {
    const clock = new ManualClock();
    const resolver = new DnsResolver({ override: `127.0.0.1:${dns.port}` }, clock);
    dns.answer = (name) => [{ type: 'A', name, ttl: 86_400, data: '192.0.2.1' }];
    for (let number = 0; number < 65; number += 1) await resolver.resolve(`name-${number}.test`, 4, never);
    await resolver.resolve('name-64.test', 4, never);
    expect(dns.queries).to.have.length(65);
    await resolver.resolve('name-0.test', 4, never);
    expect(dns.queries, 'the oldest was forgotten').to.have.length(66);
    await clock.advance(300_000);
    await resolver.resolve('name-64.test', 4, never);
    expect(dns.queries).to.have.length(67);
  });

  it('waits 50 ms at most for an answer about IPv6 once it has one about IPv4, and remembers that', async () => {
    const clock = new ManualClock();
    const resolver = new DnsResolver({ override: `127.0.0.1:${dns.port}` }, clock);
    dns.spoil = (answer) => (answer.questions?.[0]?.type === 'AAAA' ? undefined : answer);
    const resolving = resolver.resolve('engine.test', undefined, never);
    await eventually('it has the answer about IPv4', () => clock.nextDelayMs === 50);
    await clock.advance(50);
    const four = [
      { address: '192.0.2.1', family: 4 },
      { address: '192.0.2.2', family: 4 },
    ];
    expect(await resolving).to.deep.equal(four);
    expect(await resolver.resolve('engine.test', undefined, never)).to.deep.equal(four);
    expect(dns.queries.map(({ packet }) => packet.questions?.[0]?.type)).to.have.members(['A', 'AAAA']);

    // The question is asked again, and this time answered: too late for the first, in time for the next.
    dns.spoil = (answer) => answer;
    await clock.advance(1_950);
    await eventually('it heard of IPv6', async () => {
      const { length } = await resolver.resolve('engine.test', undefined, never);
      return length === 3;
    });
  });

  it('waits for an answer about IPv4 as long as it may take', async () => {
    const clock = new ManualClock();
    const resolver = new DnsResolver({ override: `127.0.0.1:${dns.port}` }, clock);
    dns.spoil = (answer) => (answer.questions?.[0]?.type === 'A' ? undefined : answer);
    const resolving = resolver.resolve('engine.test', undefined, never);
    for (const asked of [2, 3]) {
      await eventually('it asked about IPv4', () => dns.queries.length === asked && clock.pending === 1);
      await clock.advance(2_000);
    }
    expect(await resolving).to.deep.equal([{ address: '2001:db8::1', family: 6 }]);
  });

  it('asks nobody again about a name without IPv6 addresses', async () => {
    dns.answer = fromZone({ 'engine.test': { A: ['192.0.2.1'] } });
    const resolver = plain();
    for (let time = 0; time < 3; time += 1) {
      expect(await addresses(resolver, 'engine.test')).to.deep.equal(['192.0.2.1']);
    }
    expect(dns.queries).to.have.length(2);
  });

  it('speaks DNS over TLS to a server it can verify', async () => {
    expect(await addresses(secure(), 'engine.test', 4)).to.have.length(2);
    expect(dns.queries.map(({ over }) => over)).to.deep.equal(['tls']);
  });

  it('asks at port 853 where only TLS was asked for', async () => {
    const settings = { override: '127.0.0.9', tls: true, serverName: 'dns.example.test' };
    const error = await rejection(addresses(new DnsResolver(settings, systemClock), 'engine.test', 4));
    expect(error).to.have.property('message').that.contains('127.0.0.9:853');
  });

  it('tells nothing to a server it cannot verify', async () => {
    for (const settings of [{ ca: undefined }, { serverName: 'other.example.test' }]) {
      const error = await rejection(addresses(secure(settings), 'engine.test'));
      expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
    }
    expect(dns.queries).to.have.length(0);
  });

  it('with DNSSEC accepts authenticated answers only', async () => {
    const error = await rejection(addresses(secure({ dnssec: true }), 'engine.test', 4));
    expect(error).to.have.property('message').that.contains('not authenticated');

    dns.spoil = (answer) => ({ ...answer, flags: AUTHENTIC_DATA });
    expect(await addresses(secure({ dnssec: true }), 'engine.test', 4)).to.have.length(2);
    const [options] = dns.queries.at(-1)?.packet.additionals ?? [];
    expect(options?.type === 'OPT' && options.flags & DNSSEC_OK).to.equal(DNSSEC_OK);
    expect(options?.type === 'OPT' && options.udpPayloadSize).to.equal(1_232);
    expect(dns.queries.at(-1)?.packet).to.have.property('flag_ad', true);
  });

  it('with DNSSEC does not believe that a name does not exist either, unless that is authenticated', async () => {
    const nxdomain = 3;
    dns.spoil = (answer) => ({ ...answer, flags: nxdomain });
    const forged = await rejection(addresses(secure({ dnssec: true }), 'nowhere.test', 4));
    expect(forged).to.have.property('message').that.contains('not authenticated');

    dns.spoil = (answer) => ({ ...answer, flags: nxdomain | AUTHENTIC_DATA });
    const proven = await rejection(addresses(secure({ dnssec: true }), 'nowhere.test', 4));
    expect(proven).to.have.property('message').that.contains('it has no IPv4 address');
  });

  it('stops when told so while the system looks for the server', async () => {
    const controller = new AbortController();
    const find = () => new Promise<never>(() => {});
    const resolver = new DnsResolver({ override: 'dns.example.test' }, systemClock, find);
    const resolving = rejection(resolver.resolve('engine.test', 4, controller.signal));
    controller.abort(new Error('enough'));
    expect(await resolving).to.have.property('message', 'enough');
  });

  it('stops when told so', async () => {
    const cancel = new AbortController();
    dns.spoil = () => {
      cancel.abort(new Error('enough'));
      return undefined;
    };
    expect(await rejection(plain().resolve('engine.test', 4, cancel.signal))).to.have.property(
      'message',
      'enough',
    );
  });

  for (const [what, settings] of [
    ['a server that is none', { override: 'a b' }],
    ['a port out of range', { override: 'dns.test:70000' }],
    ['port 0', { override: 'dns.test:0' }],
    ['DNSSEC without TLS', { override: 'dns.test', dnssec: true }],
    ['TLS to an IP address without a name', { override: '192.0.2.53', tls: true }],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => new DnsResolver(settings, systemClock))
        .to.throw(RstreamError)
        .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
    });
  }
});
