// The pure parts: property rules, host names, visitor checks, ClientHello parsing, tokens in queries, flags.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import { parseClientHello } from '../../src/dev-engine/client-hello.ts';
import { buildCommand } from '../../src/dev-engine/flags.ts';
import { acceptHostname, candidateNames, mintHostname } from '../../src/dev-engine/hostnames.ts';
import { negotiateLiveness } from '../../src/dev-engine/liveness.ts';
import { normalizeProperties } from '../../src/dev-engine/tunnel-rules.ts';
import { addressCheck, plainAddress } from '../../src/dev-engine/visitor-access.ts';
import { takeVisitorToken } from '../../src/dev-engine/visitor-token.ts';

type Properties = MessageInitShape<typeof TunnelPropertiesSchema>;
const normalize = (properties: Properties) => normalizeProperties(create(TunnelPropertiesSchema, properties));

describe('dev engine: tunnel rules', () => {
  const good: [Properties, Properties][] = [
    [{}, { publish: true, protocol: 'http', type: 'bytestream', httpVersion: 'http/1.1' }],
    [{ protocol: 'http', httpVersion: 'h3' }, { type: 'datagram' }],
    [{ protocol: 'dtls' }, { type: 'datagram', publish: true }],
    [{ publish: false }, { type: 'bytestream' }],
    [{ publish: false, type: 'datagram' }, { type: 'datagram' }],
    [{ protocol: 'tls' }, { tlsMode: 'terminated' }],
    [{ upstreamTls: true, httpUseTls: true }, { upstreamTls: true }],
    [{ httpUseTls: true }, { upstreamTls: true }],
  ];
  for (const [given, expected] of good) {
    it(`fills in ${JSON.stringify(given)}`, () => {
      expect(normalize(given)).to.deep.include(expected);
    });
  }

  const bad: [Properties, number, string][] = [
    [{ protocol: 'gopher' }, 2000, 'protocol'],
    [{ type: 'stream' }, 2000, 'type'],
    [{ protocol: 'tls', type: 'datagram' }, 2000, 'bytestream'],
    [{ type: 'datagram' }, 2000, 'needs a protocol'],
    [{ publish: false, protocol: 'dtls' }, 2000, 'private'],
    [{ publish: false, hostname: 'x.t.engine.test' }, 2000, 'hostname'],
    [{ httpVersion: 'http/3' }, 2000, 'http_version'],
    [{ upstreamTls: true, httpVersion: 'h2c' }, 2000, 'upstream_tls'],
    [{ upstreamTls: true, httpUseTls: false }, 2000, 'disagree'],
    [{ protocol: 'tls', httpVersion: 'h2c' }, 2000, 'http_version'],
    [{ protocol: 'tls', tokenAuth: true }, 2000, 'token_auth'],
    [{ protocol: 'tls', tlsMode: 'passthrough', mtlsAuth: true }, 2000, 'passthrough'],
    [{ protocol: 'tls', tlsMode: 'passthrough', upstreamTls: true }, 2000, 'passthrough'],
    [{ protocol: 'http', tlsMode: 'passthrough' }, 2000, 'passthrough'],
    [{ protocol: 'tls', tlsMinVersion: 'ssl3' }, 2000, 'tls_min_version'],
    [{ port: 1 }, 2000, 'port'],
    [{ protocol: 'tcp', publish: false }, 2000, 'published'],
    [{ protocol: 'tcp', hostname: 'x' }, 2000, 'hostname'],
    [{ protocol: 'tcp', mtlsAuth: false }, 2000, 'TLS'],
    [{ rstreamAuth: true }, 5000, 'login'],
    [{ challengeMode: true }, 5000, 'challenge'],
    [{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) }, 2000, 'labels'],
  ];
  for (const [given, number, word] of bad) {
    it(`refuses ${JSON.stringify(given).slice(0, 70)}`, () => {
      expect(() => normalize(given))
        .to.throw(word)
        .with.property('number', number);
    });
  }
});

describe('dev engine: host names', () => {
  const rules = {
    domain: 'edge.test',
    endpoint: 'ab12cd34',
    customDomains: ['shop.example'],
    ownNames: ['engine.demo.svc', '10.0.0.1'],
  };

  it('mints fresh names of the stable shape', () => {
    expect(mintHostname(rules)).to.match(/^r[0-9a-f]{8}-ab12cd34\.t\.edge\.test$/);
    expect(mintHostname(rules)).not.to.equal(mintHostname(rules));
  });

  const accepted = [
    'web-ab12cd34.t.edge.test',
    'anything.edge.test',
    'A.T.Edge.Test.',
    '*.apps.t.edge.test',
    'shop.example',
    'www.shop.example',
    'r1-engine.t.demo.svc',
    'x.t.engine.demo.svc',
    'r1-edge.t.test',
  ];
  for (const name of accepted) {
    it(`gives ${name}`, () => {
      expect(acceptHostname(rules, name)).to.equal(name.toLowerCase().replace(/\.$/, ''));
    });
  }

  const refused = [
    'edge.test',
    'ab12cd34.edge.test',
    'engine.demo.svc',
    'www.example.com',
    'evil-edge.test',
    'a_b.edge.test',
    '1.2.3.4',
    '*.*.edge.test',
    `${'a'.repeat(250)}.edge.test`,
    '-engine.t.demo.svc',
    'a.b-engine.t.demo.svc',
  ];
  for (const name of refused) {
    it(`refuses ${name.slice(0, 40)}`, () => {
      expect(() => acceptHostname(rules, name))
        .to.throw()
        .with.property('number', 2000);
    });
  }

  it('matches the exact name before a wildcard', () => {
    expect(candidateNames('a.b.test')).to.deep.equal(['a.b.test', '*.b.test']);
    expect(candidateNames('localhost')).to.deep.equal(['localhost']);
  });
});

describe('dev engine: visitors', () => {
  it('knows IPv4 addresses written as IPv6', () => {
    expect(plainAddress('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(plainAddress('fe80::1%eth0')).to.equal('fe80::1');
    expect(plainAddress(undefined)).to.equal('');
  });

  it('checks addresses and ranges of both families and refuses what is neither', () => {
    const check = (trustedIps: string[]) => addressCheck(create(TunnelPropertiesSchema, { trustedIps }), []);
    expect(check(['192.0.2.0/24', '2001:db8::/32'])('192.0.2.9')).to.equal(undefined);
    expect(check(['192.0.2.0/24', '2001:db8::/32'])('2001:db8::9')).to.equal(undefined);
    expect(check(['192.0.2.0/24'])('192.0.3.9')).to.be.a('string');
    expect(check(['192.0.2.0/24'])('nonsense')).to.be.a('string');
    for (const bad of ['x', '1.2.3.4/33', '1.2.3.4/', '1.2.3.4/a', '::1/129', '1.2.3.4/8/8']) {
      expect(() => check([bad]))
        .to.throw()
        .with.property('number', 2000);
    }
  });

  it('finds tokens in header and query', () => {
    expect(takeVisitorToken('/a?x=1', 'Bearer abc')).to.deep.equal({ token: 'abc', path: '/a?x=1' });
    expect(takeVisitorToken('/a?rstream.token=a%20b', undefined)).to.deep.equal({ token: 'a b', path: '/a' });
    expect(takeVisitorToken('/a?rstream.token=%', undefined)).to.deep.equal({ token: undefined, path: '/a' });
    expect(takeVisitorToken('/a?b&rstream.token=1&c', 'Basic x')).to.deep.equal({
      token: '1',
      path: '/a?b&c',
    });
  });

  it('negotiates liveness as offered, within bounds, and declines the rest', () => {
    const none = { intervalMs: 0, timeoutMs: 0 };
    const offer = (heartbeatIntervalMs: number) =>
      negotiateLiveness(
        { heartbeatIntervalMs, heartbeatTimeoutMs: 0 } as Parameters<typeof negotiateLiveness>[0],
        none,
      );
    expect(offer(1000)).to.deep.equal({ heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 15_000 });
    expect(offer(300_000)).to.deep.equal({ heartbeatIntervalMs: 300_000, heartbeatTimeoutMs: 900_000 });
    for (const interval of [0, 999, 300_001]) expect(offer(interval)).to.equal(undefined);
  });
});

describe('dev engine: ClientHello', () => {
  it('asks for more until the hello is complete, and refuses what is none', () => {
    expect(parseClientHello(Buffer.alloc(0))).to.equal('more');
    expect(parseClientHello(Buffer.from('16030100ff', 'hex'))).to.equal('more');
    expect(parseClientHello(Buffer.from('GET /'))).to.equal('invalid');
    expect(parseClientHello(Buffer.from('160301000402000000', 'hex'))).to.equal('invalid');
    expect(parseClientHello(Buffer.from('16030100080100000403030000', 'hex'))).to.equal('invalid');
    expect(parseClientHello(Buffer.from('16030100040100ffff', 'hex'))).to.equal('more');
    expect(parseClientHello(Buffer.from('1603010004017fffff', 'hex'))).to.equal('invalid');
  });
});

describe('dev engine: flags', () => {
  const parse = (...args: string[]) => {
    const command = buildCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    return command.parse(args, { from: 'user' }).opts();
  };

  it('reads what the engine is started with', () => {
    const flags = parse(
      '--listen',
      '[::1]:1',
      '--token',
      'a',
      '--token',
      'b',
      '--tcp-ports',
      '5-6',
      '--country',
      '10.0.0.0/8=DE',
    );
    expect(flags.listen).to.deep.equal({ host: '::1', port: 1 });
    expect(flags.token).to.deep.equal(['a', 'b']);
    expect(flags.tcpPorts).to.deep.equal({ from: 5, to: 6 });
    expect(flags.country).to.deep.equal([{ range: '10.0.0.0/8', country: 'DE' }]);
    expect(flags).to.include({
      hostnameConflict: 'refuse',
      streamsOnClose: 'keep',
      domain: 'engine.localhost',
    });
  });

  it('refuses what makes no sense, and documents every flag', () => {
    const bad = [
      ['--tcp-ports', '9-5'],
      ['--listen', 'x'],
      ['--domain', 'A B'],
      ['--hostname-conflict', 'x'],
      ['--token', ''],
      ['--endpoint', 'a.b'],
      ['--stream-timeout', '0'],
      ['--nonsense'],
    ];
    for (const args of bad) expect(() => parse(...args)).to.throw();
    for (const option of buildCommand().options) expect(option.description).not.to.equal('');
  });
});
