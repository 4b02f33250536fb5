// Good and bad specs of RstreamConnection: every rule and every bound.

import { bad, good, type ManifestCase } from './manifest-cases.ts';

const token = { tokenSecretRef: { name: 'credentials', key: 'token' } };
const project = { projectEndpoint: 'demo', ...token };
const direct = { engine: 'engine.test:443', ...token };
const secret = { name: 'credentials', key: 'value' };
const mtls = { certSecretRef: secret, keySecretRef: secret };
const header = (name: string): object => ({ name, valueSecretRef: secret });
const transport = (value: object): object => ({ ...direct, transport: value });
const headers = (...names: readonly string[]): object => ({
  ...project,
  controlPlaneHeaders: names.map(header),
});
const proxy = (value: object): object => transport({ proxy: { http: 'http://proxy.test:3128', ...value } });

const ONE_TARGET = 'set exactly one of projectEndpoint, projectID and engine';
const ONE_CREDENTIAL = 'set exactly one of tokenSecretRef and mtls';
const ENGINE =
  'engine must be host, host:port or [IPv6]:port, without scheme, path or user info, and with a port from 1 to 65535';
const API_URL = 'apiURL must be an https URL without user info, query and fragment';
const RESERVED_HEADER =
  'controlPlaneHeaders must not contain authorization, connection, content-length, cookie, forwarded, host, keep-alive, proxy-authorization, proxy-connection, te, trailer, transfer-encoding, upgrade or x-forwarded-*';
const OVERRIDE = 'transport.dns.override must be host, host:port or [IPv6]:port, without scheme';
const DNS_NAME =
  'transport.dns.serverName is needed when transport.dns.tls is true and transport.dns.override is an IP address';
const PROXY_CREDENTIALS = 'transport.proxy needs both usernameSecretRef and passwordSecretRef, or neither';
const PROXY_HEADER =
  'transport.proxy.headers must not contain authorization, proxy-authorization or cookie; use usernameSecretRef and passwordSecretRef';
const PROXY_TLS = 'transport.proxy carries TLS only; set transport.mode to tls or auto';

const target: readonly ManifestCase[] = [
  good('project by endpoint', project),
  good('project by id', { projectID: 'p1', ...token }),
  good('direct engine', direct),
  good('engine with empty lists, objects and strings', {
    ...direct,
    region: '',
    controlPlaneHeaders: [],
    tls: {},
    transport: { mode: '', bind: {}, dns: {}, proxy: {}, ipFamily: '' },
  }),
  bad('no target', token, 'spec', ONE_TARGET),
  bad('two targets', { ...project, projectID: 'p1' }, 'spec', ONE_TARGET),
  bad('project and engine', { ...project, engine: 'engine.test' }, 'spec', ONE_TARGET),
  bad(
    'empty projectEndpoint',
    { ...token, projectEndpoint: '' },
    'spec.projectEndpoint',
    'should be at least 1 chars long',
  ),
  bad('empty projectID', { ...token, projectID: '' }, 'spec.projectID', 'should be at least 1 chars long'),
  bad('empty engine', { ...token, engine: '' }, 'spec.engine', 'should be at least 1 chars long'),
  bad(
    'long projectEndpoint',
    { ...token, projectEndpoint: 'x'.repeat(254) },
    'spec.projectEndpoint',
    'may not be more than 253 bytes',
  ),
  bad('unknown field', { ...project, projectName: 'x' }, '', 'unknown field "spec.projectName"'),
];

const engines: readonly ManifestCase[] = [
  ...[
    'engine.test',
    'engine.test:8443',
    '192.0.2.1',
    '192.0.2.1:443',
    '[2001:db8::1]',
    '[2001:db8::1]:65535',
    ' engine.test:443\n',
  ].map((engine) => good(`engine ${JSON.stringify(engine)}`, { ...token, engine })),
  ...[
    'https://engine.test',
    'engine.test/path',
    'engine.test?x',
    'engine.test#x',
    'user@engine.test',
    'engine\\test',
    'engine test',
    'engine.test:',
    'engine.test:0',
    'engine.test:65536',
    'engine.test:https',
    '2001:db8::1',
    ' ',
    ':443',
  ].map((engine) => bad(`engine ${JSON.stringify(engine)}`, { ...token, engine }, 'spec', ENGINE)),
];

const controlPlane: readonly ManifestCase[] = [
  good('apiURL with a path', { ...project, apiURL: 'https://control.test:8443/base/' }),
  good('region', { ...project, region: 'eu-1.a_b' }),
  good('header names that only resemble reserved ones', headers('X-Team', 'x-forwarded', 'Te-x')),
  bad('empty apiURL', { ...project, apiURL: '' }, 'spec.apiURL', 'should be at least 1 chars long'),
  ...[
    'ftp://x',
    'https://',
    'https://user@control.test',
    'https://control.test?x=1',
    'https://control.test/#x',
    'control.test',
  ].map((apiURL) => bad(`apiURL ${apiURL}`, { ...project, apiURL }, 'spec', API_URL)),
  bad(
    'region with a blank',
    { ...project, region: 'eu 1' },
    'spec.region',
    "should match '^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?$'",
  ),
  bad('long region', { ...project, region: 'x'.repeat(65) }, 'spec.region', 'may not be more than 64 bytes'),
  bad(
    'region with engine',
    { ...direct, region: 'auto' },
    'spec',
    'region is for projects; remove it or engine',
  ),
  bad(
    'headers with engine',
    { ...direct, controlPlaneHeaders: [header('X-A')] },
    'spec',
    'controlPlaneHeaders are for projects; remove them or engine',
  ),
  bad(
    '33 headers',
    headers(...Array.from({ length: 33 }, (_, index) => `X-${index}`)),
    'spec.controlPlaneHeaders',
    'must have at most 32 items',
  ),
  bad(
    'header name with a blank',
    headers('X A'),
    'spec.controlPlaneHeaders[0].name',
    "should match '^[!#$%&'*+.^_`|~0-9A-Za-z-]+$'",
  ),
  bad(
    'empty header name',
    headers(''),
    'spec.controlPlaneHeaders[0].name',
    'should be at least 1 chars long',
  ),
  bad(
    'long header name',
    headers('x'.repeat(257)),
    'spec.controlPlaneHeaders[0].name',
    'may not be more than 256 bytes',
  ),
  bad(
    'header without a value',
    { ...project, controlPlaneHeaders: [{ name: 'X-A' }] },
    'spec.controlPlaneHeaders[0].valueSecretRef',
    'Required value',
  ),
  ...[
    'Authorization',
    'HOST',
    'te',
    'Transfer-Encoding',
    'X-Forwarded-For',
    'cookie',
    'Proxy-Connection',
  ].map((name) => bad(`header ${name}`, headers(name), 'spec.controlPlaneHeaders[0]', RESERVED_HEADER)),
  bad(
    'header name twice in another case',
    headers('X-A', 'x-a'),
    'spec',
    'controlPlaneHeaders has a name twice; upper and lower case make no difference',
  ),
  bad(
    'header name twice',
    headers('X-A', 'X-A'),
    'spec.controlPlaneHeaders[1]',
    'Duplicate value: {"name":"X-A"}',
  ),
];

const credentials: readonly ManifestCase[] = [
  good('mtls', { engine: 'engine.test', mtls: { ...mtls, caSecretRef: secret } }),
  good('token with a private CA', { ...direct, tls: { caSecretRef: secret, serverName: 'engine.test' } }),
  good('mtls with a private CA in tls', { engine: 'engine.test', mtls, tls: { caSecretRef: secret } }),
  bad('no credentials', { engine: 'engine.test' }, 'spec', ONE_CREDENTIAL),
  bad('token and mtls', { ...direct, mtls }, 'spec', ONE_CREDENTIAL),
  bad(
    'project with mtls',
    { projectID: 'p1', mtls },
    'spec',
    'projectEndpoint and projectID need tokenSecretRef; mtls is for engine only',
  ),
  bad(
    'empty Secret name',
    { engine: 'e', tokenSecretRef: { name: '', key: 'k' } },
    'spec.tokenSecretRef.name',
    'should be at least 1 chars long',
  ),
  bad(
    'empty Secret key',
    { engine: 'e', tokenSecretRef: { name: 'n', key: '' } },
    'spec.tokenSecretRef.key',
    'should be at least 1 chars long',
  ),
  bad(
    'no Secret key',
    { engine: 'e', tokenSecretRef: { name: 'n' } },
    'spec.tokenSecretRef.key',
    'Required value',
  ),
  bad(
    'mtls without key',
    { engine: 'e', mtls: { certSecretRef: secret } },
    'spec.mtls.keySecretRef',
    'Required value',
  ),
  bad(
    'two CAs',
    { engine: 'e', mtls: { ...mtls, caSecretRef: secret }, tls: { caSecretRef: secret } },
    'spec',
    'set only one of tls.caSecretRef and mtls.caSecretRef',
  ),
];

const network: readonly ManifestCase[] = [
  good('bind by address', transport({ bind: { address: '192.0.2.1' } })),
  good('bind by interface', transport({ bind: { mode: 'interface', interface: 'eth0' } })),
  good('useQuic beside mode', transport({ mode: 'tls', useQuic: true, mptcp: true })),
  good('DNS over TLS by name', transport({ dns: { override: 'dns.test:853', tls: true, dnssec: true } })),
  good(
    'DNS over TLS by IP',
    transport({ dns: { override: '2001:db8::53', tls: true, serverName: 'dns.test' } }),
  ),
  good('plain DNS by IP', transport({ dns: { override: '192.0.2.53:5353' } })),
  bad(
    'mode',
    transport({ mode: 'http' }),
    'spec.transport.mode',
    'supported values: "", "auto", "tls", "quic"',
  ),
  bad(
    'ipFamily',
    transport({ ipFamily: 'dual' }),
    'spec.transport.ipFamily',
    'supported values: "", "auto", "ipv4", "ipv6"',
  ),
  bad(
    'bind mode',
    transport({ bind: { mode: 'any' } }),
    'spec.transport.bind.mode',
    'supported values: "", "address", "interface"',
  ),
  bad(
    'bind interface missing',
    transport({ bind: { mode: 'interface', address: '192.0.2.1' } }),
    'spec.transport.bind',
    'transport.bind.mode interface needs transport.bind.interface',
  ),
  bad(
    'bind address missing',
    transport({ bind: { mode: 'address', interface: 'eth0' } }),
    'spec.transport.bind',
    'transport.bind.mode address needs transport.bind.address',
  ),
  bad(
    'bind interface without mode',
    transport({ bind: { interface: 'eth0' } }),
    'spec.transport.bind',
    'transport.bind.mode address needs transport.bind.address',
  ),
  bad('DNS scheme', transport({ dns: { override: 'tls://dns.test' } }), 'spec.transport.dns', OVERRIDE),
  bad(
    'DNS tls without override',
    transport({ dns: { tls: true } }),
    'spec.transport.dns',
    'transport.dns.tls needs transport.dns.override',
  ),
  bad(
    'DNSSEC without tls',
    transport({ dns: { override: 'dns.test', dnssec: true } }),
    'spec.transport.dns',
    'transport.dns.dnssec needs transport.dns.tls: true',
  ),
  ...['192.0.2.53', '192.0.2.53:853', '[2001:db8::53]:853', '2001:db8::53'].map((override) =>
    bad(
      `DNS over TLS at ${override} without name`,
      transport({ dns: { override, tls: true } }),
      'spec.transport.dns',
      DNS_NAME,
    ),
  ),
  bad(
    'mptcp as text',
    transport({ mptcp: 'yes' }),
    'spec.transport.mptcp',
    'must be of type boolean: "string"',
  ),
];

const proxies: readonly ManifestCase[] = [
  good('proxy', proxy({ usernameSecretRef: secret, passwordSecretRef: secret, headers: { 'X-Team': 'a' } })),
  good(
    'proxy on https, with auto',
    transport({ mode: 'auto', proxy: { http: 'https://[2001:db8::1]:3128/' } }),
  ),
  good(
    'proxy where mode wins over useQuic',
    transport({ mode: 'tls', useQuic: true, proxy: { http: 'http://p' } }),
  ),
  bad(
    'proxy without URL',
    transport({ proxy: { headers: { 'X-A': 'b' } } }),
    'spec.transport.proxy',
    'transport.proxy needs transport.proxy.http, the URL of the proxy',
  ),
  bad(
    'proxy user info',
    proxy({ http: 'http://u:p@proxy.test' }),
    'spec.transport.proxy',
    'transport.proxy.http must not contain user info; use usernameSecretRef and passwordSecretRef',
  ),
  ...[
    'proxy.test:3128',
    'socks5://proxy.test',
    'http://proxy.test/path',
    'http://proxy.test:0',
    'http://',
  ].map((http) =>
    bad(
      `proxy ${http}`,
      proxy({ http }),
      'spec.transport.proxy',
      'transport.proxy.http must be a URL like http://proxy.example.com:3128',
    ),
  ),
  bad(
    'proxy username alone',
    proxy({ usernameSecretRef: secret }),
    'spec.transport.proxy',
    PROXY_CREDENTIALS,
  ),
  bad(
    'proxy password alone',
    proxy({ passwordSecretRef: secret }),
    'spec.transport.proxy',
    PROXY_CREDENTIALS,
  ),
  ...['Authorization', 'proxy-Authorization', 'COOKIE'].map((name) =>
    bad(`proxy header ${name}`, proxy({ headers: { [name]: 'x' } }), 'spec.transport.proxy', PROXY_HEADER),
  ),
  bad(
    'proxy header name',
    proxy({ headers: { 'X A': 'x' } }),
    'spec.transport.proxy',
    'transport.proxy.headers has a name that is not an HTTP header name',
  ),
  bad(
    'proxy header value',
    proxy({ headers: { 'X-A': 'x\ny' } }),
    'spec.transport.proxy.headers.X-A',
    "should match '^[^\\r\\n]*$'",
  ),
  bad(
    '33 proxy headers',
    proxy({ headers: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`X-${index}`, ''])) }),
    'spec.transport.proxy.headers',
    'must have at most 32 items',
  ),
  bad(
    'proxy with quic',
    transport({ mode: 'quic', proxy: { http: 'http://p' } }),
    'spec.transport',
    PROXY_TLS,
  ),
  bad(
    'proxy with useQuic',
    transport({ useQuic: true, proxy: { http: 'http://p' } }),
    'spec.transport',
    PROXY_TLS,
  ),
];

export const connectionCases: readonly ManifestCase[] = [
  ...target,
  ...engines,
  ...controlPlane,
  ...credentials,
  ...network,
  ...proxies,
];
