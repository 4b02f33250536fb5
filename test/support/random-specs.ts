// Specs of both resources from values that mean something to somebody, in every combination, good and bad.

import fc, { type Arbitrary } from 'fast-check';

const some = (...values: readonly unknown[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const flag = some(true, false);

/** Fields that are undefined are left out. */
function group(fields: Readonly<Record<string, Arbitrary<unknown>>>): Arbitrary<object> {
  return fc.record(fields, { noNullPrototype: true }).map((spec) => JSON.parse(JSON.stringify(spec)));
}
const maybe = (fields: Parameters<typeof group>[0]) => fc.option(group(fields), { nil: undefined });

export const randomTunnel = group({
  target: fc.constant({ service: { name: 'app', port: 80 } }),
  tunnelName: some('', ' ', 'a b'),
  publish: flag,
  protocol: some('', 'http', 'tls', 'dtls', 'quic', 'tcp'),
  type: some('', 'bytestream', 'datagram'),
  datagramGuaranteedDelivery: flag,
  allowCrossRegionRouting: flag,
  hostname: some('', ' ', '*.example.com', ' WEB.Example.com\n'),
  tcpPort: some(1, 65_535),
  labels: some({}, { a: '' }, { constructor: 'x' }, JSON.parse('{"__proto__":"x"}')),
  upstreamTLS: flag,
  trustedIPs: some([], ['::1', '0.0.0.0/0'], ['::ffff:192.0.2.1/96']),
  geoip: some([], ['NO']),
  http: maybe({
    version: some('', 'http/1.1', 'h2c', 'h3'),
    auth: maybe({ token: flag, rstream: flag }),
    gate: maybe({ challenge: flag }),
  }),
  tls: maybe({
    mode: some('', 'terminated', 'passthrough'),
    minVersion: some('', 'tls1.2', 'tls1.3'),
    alpns: some([], ['h2']),
    mtls: flag,
  }),
  suspend: flag,
  agent: maybe({
    image: some('', ' ', 'a/b'),
    replicas: some(1, 2),
    strategy: some('', 'Handover', 'Recreate'),
    terminationGracePeriodSeconds: some(0, 1, 5, 30, 2 ** 40),
    logLevel: some('', 'trace', 'error'),
    nodeSelector: some({}, { a: '' }),
    podLabels: some({}, { a: '' }),
  }),
});

const ref = { name: 's', key: 'k' };
const pair = { certSecretRef: ref, keySecretRef: ref };

const engines = [
  'e',
  'e.example.com:1',
  '192.0.2.1',
  '[::1]:5',
  ' e ',
  '[::ffff:192.0.2.1]',
  'E.example.com.',
];
const token = { tokenSecretRef: ref };
/** Where to, and as whom. */
const reached = fc.oneof(
  fc.constantFrom(...engines).map((engine) => ({ engine, ...token })),
  fc.constantFrom(pair, { ...pair, caSecretRef: ref }).map((mtls) => ({ engine: 'e', mtls })),
  group({
    projectEndpoint: fc.constant('p'),
    tokenSecretRef: fc.constant(ref),
    apiURL: some('https://x', 'http://x/y'),
    region: some('', 'auto', 'eu'),
    controlPlaneHeaders: some([], [{ name: 'X', valueSecretRef: ref }]),
  }),
);

const path = group({
  tls: some({}, { caSecretRef: ref }, { serverName: '' }, { serverName: 'a b' }, { serverName: '192.0.2.1' }),
  transport: maybe({
    mode: some('', 'auto', 'tls', 'quic'),
    ipFamily: some('', 'auto', 'ipv4', 'ipv6'),
    mptcp: flag,
    useQuic: flag,
    bind: maybe({
      mode: some('', 'address', 'interface'),
      interface: some('', 'lo'),
      address: some('', '192.0.2.1', '::1', 'lo'),
    }),
    dns: maybe({
      override: some('', '192.0.2.53:53', 'dns.test', '[::1]', '::1', ':::', '[:]:53', 'a_b', 'a..b'),
      tls: flag,
      serverName: some('', 'x', 'a b'),
      dnssec: flag,
    }),
    proxy: maybe({
      http: some('', 'http://p', 'https://p:1/', 'http://[::1]:80', 'http://[:]:80', 'http://a_b'),
      usernameSecretRef: some(ref),
      passwordSecretRef: some(ref),
      headers: some({}, { X: '' }, { host: 'x' }, { 'Content-Length': '3' }, { 'X-U': 'ü' }),
    }),
  }),
});

export const randomConnection = fc.tuple(reached, path).map(([to, by]) => ({ ...to, ...by }));
