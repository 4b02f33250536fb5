// Good and bad specs of RstreamTunnel: every rule and every bound.

import { bad, good, type ManifestCase } from './manifest-cases.ts';

const service = { name: 'web', port: 80 };
const tunnel = (fields: object): object => ({ target: { service }, ...fields });
const service2 = (fields: object): object => ({ target: { service: { ...service, ...fields } } });
const tcp = (fields: object): object => tunnel({ protocol: 'tcp', ...fields });
const entries = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));

const HOSTNAME = 'hostname must be a DNS name such as web.example.com or *.example.com';
const HTTP_ONLY = 'http settings need protocol http';
const NEEDS_DATAGRAM = 'protocols dtls and quic and http.version h3 need type datagram, or none';
const RAW = 'protocol http with type datagram needs http.version h3, or publish: false and no http settings';
const GUARANTEED = 'datagramGuaranteedDelivery: true needs a datagram tunnel';

const targets: readonly ManifestCase[] = [
  good('smallest', tunnel({})),
  good('port by name', service2({ port: 'http' })),
  good('port 65535 in another namespace', service2({ port: 65_535, namespace: 'shop' })),
  good('empty strings, lists and objects', {
    target: { service: { ...service, namespace: '' } },
    connectionRef: {},
    tunnelName: '',
    protocol: '',
    type: '',
    hostname: '',
    labels: {},
    trustedIPs: [],
    geoip: [],
    http: { version: '', auth: {}, gate: {} },
    tls: { mode: '', minVersion: '', alpns: [] },
    agent: { image: '', strategy: '', imagePullPolicy: '', logLevel: '', podLabels: {}, tolerations: [] },
  }),
  bad('no target', {}, 'spec.target', 'Required value'),
  bad('no service', { target: {} }, 'spec.target.service', 'Required value'),
  bad('no service name', { target: { service: { port: 80 } } }, 'spec.target.service.name', 'Required value'),
  bad(
    'empty service name',
    service2({ name: '' }),
    'spec.target.service.name',
    'should be at least 1 chars long',
  ),
  bad(
    'no service port',
    { target: { service: { name: 'web' } } },
    'spec.target.service.port',
    'Required value',
  ),
  bad('port 0', service2({ port: 0 }), 'spec.target.service.port', 'should be greater than or equal to 1'),
  bad(
    'port 65536',
    service2({ port: 65_536 }),
    'spec.target.service.port',
    'should be less than or equal to 65535',
  ),
  bad(
    'empty port name',
    service2({ port: '' }),
    'spec.target.service.port',
    "should match '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'",
  ),
  bad(
    'port name in capitals',
    service2({ port: 'HTTP' }),
    'spec.target.service.port',
    "should match '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'",
  ),
  bad(
    'long port name',
    service2({ port: 'p'.repeat(64) }),
    'spec.target.service.port',
    'may not be more than 63 bytes',
  ),
  bad(
    'namespace with a dot',
    service2({ namespace: 'a.b' }),
    'spec.target.service.namespace',
    "should match '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$'",
  ),
  bad('unknown field', tunnel({ hostName: 'x' }), '', 'unknown field "spec.hostName"'),
  bad('publish as text', tunnel({ publish: 'yes' }), 'spec.publish', 'must be of type boolean: "string"'),
];

const tcpCases: readonly ManifestCase[] = [
  good(
    'tcp',
    tcp({ tcpPort: 5432, type: 'bytestream', upstreamTLS: false, datagramGuaranteedDelivery: false }),
  ),
  good('tcp with empty http and tls', tcp({ http: { auth: {} }, tls: { alpns: [] }, hostname: ' ' })),
  bad('private tcp', tcp({ publish: false }), 'spec', 'protocol tcp needs publish: true'),
  bad('datagram tcp', tcp({ type: 'datagram' }), 'spec', 'protocol tcp needs type bytestream, or none'),
  bad(
    'tcp with hostname',
    tcp({ hostname: 'web.example.test' }),
    'spec',
    'protocol tcp has no hostname; remove it, or use protocol tls',
  ),
  bad('tcp with http', tcp({ http: { version: 'http/1.1' } }), 'spec', HTTP_ONLY),
  ...[{ mode: 'terminated' }, { minVersion: 'tls1.2' }, { alpns: ['h2'] }, { mtls: false }].map((tls) =>
    bad(
      `tcp with tls ${JSON.stringify(tls)}`,
      tcp({ tls }),
      'spec',
      'protocol tcp has no tls settings; remove them, or use protocol tls',
    ),
  ),
  bad(
    'tcp with upstreamTLS',
    tcp({ upstreamTLS: true }),
    'spec',
    'protocol tcp does not support upstreamTLS: true',
  ),
  bad('tcp with guaranteed delivery', tcp({ datagramGuaranteedDelivery: true }), 'spec', GUARANTEED),
  bad('tcpPort without tcp', tunnel({ tcpPort: 80 }), 'spec', 'tcpPort needs protocol tcp'),
  bad('tcpPort 0', tcp({ tcpPort: 0 }), 'spec.tcpPort', 'should be greater than or equal to 1'),
  bad('tcpPort 65536', tcp({ tcpPort: 65_536 }), 'spec.tcpPort', 'should be less than or equal to 65535'),
];

const types: readonly ManifestCase[] = [
  ...['dtls', 'quic'].map((protocol) =>
    good(`${protocol}`, tunnel({ protocol, type: 'datagram', datagramGuaranteedDelivery: true })),
  ),
  good('inferred datagram', tunnel({ protocol: 'dtls', datagramGuaranteedDelivery: true })),
  good('h3', tunnel({ http: { version: 'h3' }, type: 'datagram' })),
  good('private raw datagram', tunnel({ publish: false, type: 'datagram', http: { gate: {} } })),
  bad(
    'protocol',
    tunnel({ protocol: 'udp' }),
    'spec.protocol',
    'supported values: "", "http", "tls", "dtls", "quic", "tcp"',
  ),
  bad('type', tunnel({ type: 'stream' }), 'spec.type', 'supported values: "", "bytestream", "datagram"'),
  bad('bytestream dtls', tunnel({ protocol: 'dtls', type: 'bytestream' }), 'spec', NEEDS_DATAGRAM),
  bad('bytestream quic', tunnel({ protocol: 'quic', type: 'bytestream' }), 'spec', NEEDS_DATAGRAM),
  bad('bytestream h3', tunnel({ type: 'bytestream', http: { version: 'h3' } }), 'spec', NEEDS_DATAGRAM),
  bad(
    'datagram tls',
    tunnel({ protocol: 'tls', type: 'datagram' }),
    'spec',
    'protocol tls needs type bytestream, or none',
  ),
  bad('published datagram http', tunnel({ type: 'datagram' }), 'spec', RAW),
  bad(
    'private datagram with http',
    tunnel({ publish: false, type: 'datagram', http: { version: 'http/1.1' } }),
    'spec',
    RAW,
  ),
  bad('guaranteed delivery of http', tunnel({ datagramGuaranteedDelivery: true }), 'spec', GUARANTEED),
  bad(
    'guaranteed delivery of tls',
    tunnel({ protocol: 'tls', datagramGuaranteedDelivery: true }),
    'spec',
    GUARANTEED,
  ),
];

const edge: readonly ManifestCase[] = [
  ...['web.example.test', '*.example.test', 'WEB', ' web.example.test\n', 'x'.repeat(63)].map((hostname) =>
    good(`hostname ${JSON.stringify(hostname)}`, tunnel({ hostname })),
  ),
  ...[
    'https://web.example.test',
    'web..test',
    '-web.test',
    'web.*.test',
    '*',
    'web.test:443',
    'a b',
    'x'.repeat(64),
    'web_1.test',
  ].map((hostname) => bad(`hostname ${JSON.stringify(hostname)}`, tunnel({ hostname }), 'spec', HOSTNAME)),
  bad(
    'long hostname',
    tunnel({ hostname: 'a.'.repeat(127) }),
    'spec.hostname',
    'may not be more than 253 bytes',
  ),
  ...[
    '192.0.2.1',
    '192.0.2.0/24',
    '0.0.0.0/0',
    '2001:db8::1',
    '::/0',
    '2001:db8::/128',
    '::ffff:192.0.2.1',
  ].map((ip) => good(`trusted ${ip}`, tunnel({ trustedIPs: [ip] }))),
  ...['192.0.2.256', '192.0.2.0/33', '2001:db8::/129', 'localhost', '', '192.0.2.1 '].map((ip) =>
    bad(
      `trusted ${JSON.stringify(ip)}`,
      tunnel({ trustedIPs: ['192.0.2.1', ip] }),
      'spec.trustedIPs[1]',
      'should match',
    ),
  ),
  bad(
    '257 trusted IPs',
    tunnel({ trustedIPs: Array.from({ length: 257 }, () => '192.0.2.1') }),
    'spec.trustedIPs',
    'must have at most 256 items',
  ),
  good('countries', tunnel({ geoip: ['NO', 'de'] })),
  ...['NOR', 'N', 'N-', ''].map((country) =>
    bad(
      `country ${JSON.stringify(country)}`,
      tunnel({ geoip: [country] }),
      'spec.geoip[0]',
      "should match '^[A-Za-z0-9]{2}$'",
    ),
  ),
  bad('65 labels', tunnel({ labels: entries(65) }), 'spec.labels', 'must have at most 64 items'),
  bad(
    'long tunnelName',
    tunnel({ tunnelName: 'x'.repeat(513) }),
    'spec.tunnelName',
    'may not be more than 512 bytes',
  ),
];

const settings: readonly ManifestCase[] = [
  good(
    'http settings',
    tunnel({ http: { version: 'h2c', auth: { token: true, rstream: false }, gate: { challenge: true } } }),
  ),
  good(
    'terminated tls',
    tunnel({ protocol: 'tls', tls: { mode: 'terminated', minVersion: 'tls1.3', alpns: ['h2'], mtls: true } }),
  ),
  good(
    'passthrough',
    tunnel({
      protocol: 'tls',
      tls: { mode: 'passthrough', mtls: false, minVersion: '' },
      upstreamTLS: false,
    }),
  ),
  good('upstreamTLS with http/1.1', tunnel({ upstreamTLS: true, http: { version: 'http/1.1' } })),
  good(
    'suspended',
    tunnel({ suspend: true, allowCrossRegionRouting: true, connectionRef: { name: 'other' } }),
  ),
  bad(
    'http version',
    tunnel({ http: { version: 'h2' } }),
    'spec.http.version',
    'supported values: "", "http/1.1", "h2c", "h3"',
  ),
  ...[
    { auth: { token: false } },
    { auth: { rstream: true } },
    { gate: { challenge: true } },
    { version: 'h3' },
  ].map((http) =>
    bad(`tls with http ${JSON.stringify(http)}`, tunnel({ protocol: 'tls', http }), 'spec', HTTP_ONLY),
  ),
  ...['h2c', 'h3'].map((version) =>
    bad(
      `upstreamTLS with ${version}`,
      tunnel({ upstreamTLS: true, http: { version } }),
      'spec',
      'upstreamTLS: true does not go with http.version h2c or h3',
    ),
  ),
  bad(
    'tls mode',
    tunnel({ tls: { mode: 'none' } }),
    'spec.tls.mode',
    'supported values: "", "terminated", "passthrough"',
  ),
  bad(
    'tls minVersion',
    tunnel({ tls: { minVersion: 'tls1.1' } }),
    'spec.tls.minVersion',
    'supported values: "", "tls1.2", "tls1.3"',
  ),
  bad('empty alpn', tunnel({ tls: { alpns: [''] } }), 'spec.tls.alpns[0]', 'should be at least 1 chars long'),
  bad(
    'passthrough with minVersion',
    tunnel({ protocol: 'tls', tls: { mode: 'passthrough', minVersion: 'tls1.2' } }),
    'spec',
    'tls.mode passthrough does not go with tls.minVersion',
  ),
  bad(
    'passthrough with mtls',
    tunnel({ protocol: 'tls', tls: { mode: 'passthrough', mtls: true } }),
    'spec',
    'tls.mode passthrough does not go with tls.mtls: true',
  ),
  bad(
    'passthrough with upstreamTLS',
    tunnel({ protocol: 'tls', tls: { mode: 'passthrough' }, upstreamTLS: true }),
    'spec',
    'tls.mode passthrough does not go with upstreamTLS: true',
  ),
];

export const tunnelCases: readonly ManifestCase[] = [...targets, ...tcpCases, ...types, ...edge, ...settings];
