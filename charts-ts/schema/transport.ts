// Schema of spec.transport of an RstreamConnection: the network path to the engine, and the rules it must obey.

import type { RstreamConnectionSpec } from '../../generated/rstream-connection.ts';
import { CREDENTIAL_HEADERS } from '../../src/common/connect-headers.ts';
import { choice, flag, MAX, map, object, rule, type Schema, text } from './json-schema.ts';
import {
  celPattern,
  HEADER_VALUE,
  HTTP_TOKEN,
  IP_RESOLVER,
  matches,
  PROXY_URL,
  RESOLVER,
} from './patterns.ts';
import { secretKey } from './references.ts';

type Transport = NonNullable<RstreamConnectionSpec['transport']>;
type Bind = NonNullable<Transport['bind']>;
type Dns = NonNullable<Transport['dns']>;
type Proxy = NonNullable<Transport['proxy']>;

const given = (value: string | undefined): boolean => value !== undefined && value !== '';
const has = (field: string): string => `(has(self.${field}) && self.${field} != '')`;

const bind = object(
  'The local end of connections to the engine. An empty block binds nothing.',
  {
    mode: choice('Whether address or interface says where to bind. Default: address.', [
      'address',
      'interface',
    ]),
    interface: text('Network interface to bind to, with mode interface.', { maxLength: 64 }),
    address: text('Local IP address to bind to, with mode address.', { maxLength: 64 }),
  },
  {
    'x-kubernetes-validations': [
      rule<Bind>(
        `!has(self.mode) || self.mode != 'interface' || ${has('interface')}`,
        'transport.bind.mode interface needs transport.bind.interface',
        (self) => self.mode !== 'interface' || given(self.interface),
      ),
      rule<Bind>(
        `(has(self.mode) && self.mode == 'interface') || ${has('address')} || !(${has('mode')} || ${has('interface')})`,
        'transport.bind.mode address needs transport.bind.address',
        (self) =>
          self.mode === 'interface' || given(self.address) || !(given(self.mode) || given(self.interface)),
      ),
    ],
  },
);

const dns = object(
  "How the engine's name is resolved. Default: as the agent's Pod resolves names.",
  {
    override: text(
      'Resolver to ask instead, as host, host:port or [v6]:port. Default port: 53, with tls 853.',
      {
        maxLength: 300,
      },
    ),
    tls: flag('Ask over TLS. Needs override.'),
    serverName: text("Name in the resolver's certificate. Needed with tls when override is an IP address."),
    dnssec: flag('Accept only answers that the resolver has verified with DNSSEC. Needs tls.'),
  },
  {
    'x-kubernetes-validations': [
      rule<Dns>(
        `!has(self.override) || self.override.matches(${celPattern(RESOLVER)})`,
        'transport.dns.override must be host, host:port or [IPv6]:port, without scheme',
        (self) => self.override === undefined || matches(self.override, RESOLVER),
      ),
      rule<Dns>(
        `!has(self.tls) || !self.tls || ${has('override')}`,
        'transport.dns.tls needs transport.dns.override',
        (self) => self.tls !== true || given(self.override),
      ),
      rule<Dns>(
        '!has(self.dnssec) || !self.dnssec || (has(self.tls) && self.tls)',
        'transport.dns.dnssec needs transport.dns.tls: true',
        (self) => self.dnssec !== true || self.tls === true,
      ),
      rule<Dns>(
        `!has(self.tls) || !self.tls || !has(self.override) || !self.override.matches(${celPattern(IP_RESOLVER)}) || ${has('serverName')}`,
        'transport.dns.serverName is needed when transport.dns.tls is true and transport.dns.override is an IP address',
        (self) =>
          self.tls !== true ||
          self.override === undefined ||
          !matches(self.override, IP_RESOLVER) ||
          given(self.serverName),
      ),
    ],
  },
);

const proxy = object(
  'HTTP proxy that connections to the engine go through (CONNECT). With mode auto only TLS is tried.',
  {
    http: text('URL of the proxy, http or https, without user name and password.', { maxLength: 512 }),
    usernameSecretRef: secretKey('User name for the proxy. Together with passwordSecretRef.'),
    passwordSecretRef: secretKey('Password for the proxy. Together with usernameSecretRef.'),
    headers: map(
      'Headers for the CONNECT request. They are stored in a ConfigMap, so nothing secret belongs here. Host, connection, content-length and transfer-encoding are left out.',
      { type: 'string', maxLength: MAX.text, pattern: HEADER_VALUE },
      { maxProperties: 32 },
    ),
  },
  {
    'x-kubernetes-validations': [
      rule<Proxy>(
        `${has('http')} || !(has(self.usernameSecretRef) || has(self.passwordSecretRef) || (has(self.headers) && size(self.headers) > 0))`,
        'transport.proxy needs transport.proxy.http, the URL of the proxy',
        (self) =>
          given(self.http) ||
          !(self.usernameSecretRef || self.passwordSecretRef || Object.keys(self.headers ?? {}).length > 0),
      ),
      rule<Proxy>(
        "!has(self.http) || !self.http.contains('@')",
        'transport.proxy.http must not contain user info; use usernameSecretRef and passwordSecretRef',
        (self) => !self.http?.includes('@'),
      ),
      rule<Proxy>(
        `!has(self.http) || self.http.contains('@') || self.http.matches(${celPattern(PROXY_URL)})`,
        'transport.proxy.http must be a URL like http://proxy.example.com:3128',
        (self) => self.http === undefined || self.http.includes('@') || matches(self.http, PROXY_URL),
      ),
      rule<Proxy>(
        'has(self.usernameSecretRef) == has(self.passwordSecretRef)',
        'transport.proxy needs both usernameSecretRef and passwordSecretRef, or neither',
        (self) => (self.usernameSecretRef === undefined) === (self.passwordSecretRef === undefined),
      ),
      rule<Proxy>(
        `!has(self.headers) || self.headers.all(name, name.matches(${celPattern(HTTP_TOKEN)}))`,
        'transport.proxy.headers has a name that is not an HTTP header name',
        (self) => Object.keys(self.headers ?? {}).every((name) => matches(name, HTTP_TOKEN)),
      ),
      rule<Proxy>(
        `!has(self.headers) || !self.headers.exists(name, name.lowerAscii() in ${JSON.stringify(CREDENTIAL_HEADERS)})`,
        'transport.proxy.headers must not contain authorization, proxy-authorization or cookie; use usernameSecretRef and passwordSecretRef',
        (self) =>
          !Object.keys(self.headers ?? {}).some((name) => CREDENTIAL_HEADERS.includes(name.toLowerCase())),
      ),
    ],
  },
);

export const transport: Schema = object(
  'The network path to the engine.',
  {
    mode: choice(
      'TLS over TCP, QUIC, or auto, which chooses by the type of the tunnel and keeps what connected until it fails: datagram tunnels try QUIC first and TLS 300 ms later; bytestream tunnels try TLS first, and QUIC when TLS fails or takes 5 s. Default: auto, unless useQuic says otherwise.',
      ['auto', 'tls', 'quic'],
    ),
    bind,
    ipFamily: choice('Address family to reach the engine by.', ['auto', 'ipv4', 'ipv6'], { default: 'auto' }),
    dns,
    mptcp: flag('Use Multipath TCP where kernel and runtime support it; the agent warns where they do not.'),
    proxy,
    useQuic: flag('Deprecated, use mode: true is quic, false is tls. When mode is set, mode wins.'),
  },
  {
    title: 'Transport',
    'x-kubernetes-validations': [
      rule<Transport>(
        `!(has(self.proxy) && has(self.proxy.http) && self.proxy.http != '') || !(${has('mode')} ? self.mode == 'quic' : has(self.useQuic) && self.useQuic)`,
        'transport.proxy carries TLS only; set transport.mode to tls or auto',
        (self) =>
          !given(self.proxy?.http) || !(given(self.mode) ? self.mode === 'quic' : self.useQuic === true),
      ),
    ],
  },
);
