import { expect } from 'chai';
import { parseAgentConfig, stringifyAgentConfig } from '../../src/api/agent-config.ts';
import type { RstreamConnectionSpec, RstreamTunnelSpec } from '../../src/api/resources.ts';
import { parseDuration } from '../../src/common/duration.ts';
import { tunnelConfig } from '../../src/manager/tunnel-config.ts';
import { tunnelOf, UID } from './fixtures.ts';

const secret = { name: 's', key: 'k' };
const connection: RstreamConnectionSpec = { engine: 'p1.edge.example.com', tokenSecretRef: secret };
const target = { host: 'app.shop.svc', port: 80, protocol: 'TCP' } as const;

function config(spec: Partial<RstreamTunnelSpec> = {}, more: Partial<RstreamConnectionSpec> = {}) {
  const result = tunnelConfig({
    tunnel: tunnelOf(spec),
    connection: { ...connection, ...more },
    engine: 'p1.edge.example.com:443',
    target,
    clusterId: 'cluster',
  });
  expect(parseAgentConfig(stringifyAgentConfig(result)), 'what the agent reads').to.deep.equal(result);
  return result;
}

const labels = {
  'rstream.managed-by': 'kubernetes-operator',
  'rstream.source': 'kubernetes',
  'rstream.kubernetes.namespace': 'shop',
  'rstream.kubernetes.name': 'web',
  'rstream.kubernetes.uid': UID,
};

describe("an agent's configuration", () => {
  it('says everything that a tunnel with nothing but a target means', () => {
    expect(config()).to.deep.equal({
      connection: { engine: 'p1.edge.example.com:443' },
      tunnel: {
        name: 'shop-web',
        publish: true,
        protocol: 'http',
        type: 'bytestream',
        hostname: 'r696500d1-p1.t.edge.example.com',
        labels,
        http: { version: 'http/1.1' },
      },
      target: { host: 'app.shop.svc', port: '80', protocol: 'TCP' },
      kubernetes: {
        enabled: true,
        namespace: 'shop',
        tunnelName: 'web',
        podNameEnv: 'RSTREAM_AGENT_POD_NAME',
        podNamespaceEnv: 'RSTREAM_AGENT_POD_NAMESPACE',
      },
      retry: { initial: '1s', max: '30s' },
    });
  });

  const tunnels: readonly (readonly [string, Partial<RstreamTunnelSpec>, Record<string, unknown>])[] = [
    ['tunnelName, trimmed', { tunnelName: ' blue ' }, { name: 'blue' }],
    ['tunnelName "" as none', { tunnelName: '' }, { name: 'shop-web' }],
    [
      'publish false without a hostname',
      { publish: false, hostname: 'web.example.com' },
      { publish: false, hostname: undefined },
    ],
    ['protocol "" as http', { protocol: '' }, { protocol: 'http', http: { version: 'http/1.1' } }],
    ['protocol tls', { protocol: 'tls' }, { protocol: 'tls', type: 'bytestream', http: undefined }],
    [
      'protocol dtls as datagram',
      { protocol: 'dtls' },
      { protocol: 'dtls', type: 'datagram', http: undefined },
    ],
    ['protocol quic as datagram', { protocol: 'quic' }, { protocol: 'quic', type: 'datagram' }],
    [
      'h3 as datagram',
      { http: { version: 'h3' } },
      { protocol: 'http', type: 'datagram', http: { version: 'h3' } },
    ],
    [
      'a private raw datagram tunnel without a protocol',
      { publish: false, type: 'datagram', protocol: 'http' },
      { publish: false, type: 'datagram', protocol: undefined, http: undefined, hostname: undefined },
    ],
    ['type bytestream', { type: 'bytestream' }, { type: 'bytestream' }],
    [
      'datagramGuaranteedDelivery',
      { protocol: 'dtls', datagramGuaranteedDelivery: true },
      { datagramGuaranteedDelivery: true },
    ],
    [
      'datagramGuaranteedDelivery false',
      { protocol: 'dtls', datagramGuaranteedDelivery: false },
      { datagramGuaranteedDelivery: false },
    ],
    ['allowCrossRegionRouting', { allowCrossRegionRouting: true }, { allowCrossRegionRouting: true }],
    ['hostname, trimmed', { hostname: ' *.example.com\n' }, { hostname: '*.example.com' }],
    [
      'tcp with nothing it does not know',
      {
        protocol: 'tcp',
        tcpPort: 5432,
        upstreamTLS: false,
        datagramGuaranteedDelivery: false,
        http: {},
        tls: { alpns: [] },
      },
      {
        protocol: 'tcp',
        tcpPort: 5432,
        hostname: undefined,
        upstreamTLS: undefined,
        datagramGuaranteedDelivery: undefined,
        http: undefined,
        tls: undefined,
      },
    ],
    ['tcp at any port', { protocol: 'tcp' }, { tcpPort: undefined, hostname: undefined }],
    [
      'labels, under its own',
      {
        labels: {
          ...Object.fromEntries(Object.keys(labels).map((key) => [key, 'evil'])),
          ...{ team: 'a', constructor: 'b' },
        },
      },
      { labels: { team: 'a', constructor: 'b', ...labels } },
    ],
    ['labels without a value', { labels: { beta: '' } }, { labels: { beta: '', ...labels } }],
    [
      'upstreamTLS without a version',
      { upstreamTLS: true, http: { version: 'http/1.1' } },
      { upstreamTLS: true, http: undefined },
    ],
    ['upstreamTLS false', { upstreamTLS: false }, { upstreamTLS: false, http: { version: 'http/1.1' } }],
    ['trustedIPs', { trustedIPs: ['192.0.2.0/24'] }, { trustedIPs: ['192.0.2.0/24'] }],
    ['geoip', { geoip: ['NO'] }, { geoip: ['NO'] }],
    [
      'empty lists and blocks as none',
      { trustedIPs: [], geoip: [], labels: {}, tls: {}, http: {} },
      { trustedIPs: undefined, geoip: undefined, tls: undefined, http: { version: 'http/1.1' } },
    ],
    [
      'http settings',
      { http: { version: 'h2c', auth: { token: true, rstream: false }, gate: { challenge: true } } },
      { http: { version: 'h2c', auth: { token: true, rstream: false }, gate: { challenge: true } } },
    ],
    [
      'tls settings',
      { protocol: 'tls', tls: { mode: 'terminated', minVersion: 'tls1.3', alpns: ['h2'], mtls: true } },
      { tls: { mode: 'terminated', minVersion: 'tls1.3', alpns: ['h2'], mtls: true } },
    ],
  ];
  for (const [what, spec, expected] of tunnels) {
    it(`knows ${what}`, () => {
      const { tunnel } = config(spec);
      for (const [key, value] of Object.entries(expected)) {
        expect(Reflect.get(tunnel, key), key).to.deep.equal(value);
        if (value === undefined) expect(tunnel).to.not.have.property(key);
      }
    });
  }

  const transport = (fields: object) => ({ transport: fields }) as Partial<RstreamConnectionSpec>;
  const connections: readonly (readonly [string, Partial<RstreamConnectionSpec>, object])[] = [
    [
      'mtls',
      { mtls: { certSecretRef: secret, keySecretRef: secret } },
      { mtls: { certFile: '/var/run/rstream/mtls/tls.crt', keyFile: '/var/run/rstream/mtls/tls.key' } },
    ],
    [
      'mtls with a private CA',
      {
        mtls: { certSecretRef: secret, keySecretRef: secret, caSecretRef: secret },
      },
      {
        mtls: {
          certFile: '/var/run/rstream/mtls/tls.crt',
          keyFile: '/var/run/rstream/mtls/tls.key',
          caFile: '/var/run/rstream/mtls/ca.crt',
        },
      },
    ],
    [
      'a private CA and a server name',
      { tls: { caSecretRef: secret, serverName: 'engine.test' } },
      { tls: { caFile: '/var/run/rstream/tls/ca.crt', serverName: 'engine.test' } },
    ],
    ['tls "" as none', { tls: { serverName: '' } }, {}],
    ['mode', transport({ mode: 'quic' }), { transport: { mode: 'quic' } }],
    [
      'mode beside useQuic',
      transport({ mode: 'tls', useQuic: true }),
      { transport: { mode: 'tls', useQuic: true } },
    ],
    ['useQuic false', transport({ useQuic: false }), { transport: { useQuic: false } }],
    ['ipFamily auto as none', transport({ mode: '', ipFamily: 'auto' }), {}],
    ['ipFamily', transport({ ipFamily: 'ipv6' }), { transport: { ipFamily: 'ipv6' } }],
    ['bind {} as none', transport({ bind: {}, dns: {}, proxy: {} }), {}],
    [
      'bind by address',
      transport({ bind: { address: '192.0.2.1' } }),
      { transport: { bind: { mode: 'address', address: '192.0.2.1' } } },
    ],
    [
      'bind by interface',
      transport({ bind: { mode: 'interface', interface: 'eth0' } }),
      { transport: { bind: { mode: 'interface', interface: 'eth0' } } },
    ],
    [
      'dns',
      transport({ dns: { override: '192.0.2.53', tls: true, serverName: 'dns.test', dnssec: true } }),
      { transport: { dns: { override: '192.0.2.53', tls: true, serverName: 'dns.test', dnssec: true } } },
    ],
    ['mptcp', transport({ mptcp: true }), { transport: { mptcp: true } }],
    [
      'a proxy, its credentials by name only',
      transport({
        proxy: {
          http: 'http://p:3128',
          usernameSecretRef: secret,
          passwordSecretRef: secret,
          headers: { 'X-A': 'b', 'X-Empty': '' },
        },
      }),
      {
        transport: {
          proxy: {
            http: 'http://p:3128',
            usernameEnv: 'RSTREAM_PROXY_USERNAME',
            passwordEnv: 'RSTREAM_PROXY_PASSWORD',
            headers: { 'X-A': 'b', 'X-Empty': '' },
          },
        },
      },
    ],
  ];
  for (const [what, spec, expected] of connections) {
    it(`knows ${what} of a connection`, () => {
      expect(config({}, spec).connection).to.deep.equal({ engine: 'p1.edge.example.com:443', ...expected });
    });
  }

  it('leaves out headers for a proxy that the request has of its own', () => {
    const headers = { Host: 'x', connection: 'close', 'Content-Length': '1', 'transfer-encoding': 'x' };
    const proxy = { http: 'http://p:3128', headers };
    expect(config({}, transport({ proxy })).connection.transport).to.deep.equal({
      proxy: { http: 'http://p:3128' },
    });
    const some = { ...proxy, headers: { ...headers, 'X-A': 'b' } };
    expect(config({}, transport({ proxy: some })).connection.transport?.proxy?.headers).to.deep.equal({
      'X-A': 'b',
    });
  });

  it('never names control-plane headers, tokens or the control plane', () => {
    const text = stringifyAgentConfig(
      config(
        {},
        {
          projectEndpoint: 'ab12',
          apiURL: 'https://control.example',
          region: 'eu',
          controlPlaneHeaders: [{ name: 'X-Team', valueSecretRef: { name: 'header-secret', key: 'k' } }],
        },
      ),
    );
    for (const word of ['X-Team', 'header-secret', 'control.example', 'ab12', 'token'])
      expect(text).to.not.include(word);
  });

  it('writes keys of its own only when the user set them', () => {
    const settings = config({ agent: { logLevel: 'debug', terminationGracePeriodSeconds: 65 } });
    expect(settings.log).to.deep.equal({ level: 'debug' });
    expect(settings.drain).to.deep.equal({ timeout: '60s' });
    expect(config({ agent: { terminationGracePeriodSeconds: 3 } }).drain).to.deep.equal({ timeout: '0s' });
    const patient = config({ agent: { terminationGracePeriodSeconds: 2 ** 40 } }).drain?.timeout ?? '';
    expect(parseDuration(patient)).to.be.lessThan(2 ** 31);
    const usual = config({ agent: { logLevel: '', terminationGracePeriodSeconds: 30 } });
    expect(usual).to.not.have.any.keys('log', 'drain');
  });
});
