// The engine's rules about tunnel properties: fills in what the client left out and refuses, with a sentence, what
// contradicts itself. Pure; names and ports are given out elsewhere.

import { clone } from '@bufbuild/protobuf';
import {
  ErrorCode,
  type TunnelProperties,
  TunnelPropertiesSchema,
} from '../../generated/protobuf/rstream_pb.js';
import { invalidRequest, Refusal } from './errors.ts';

const protocols = ['http', 'tls', 'tcp', 'dtls', 'quic', 'webtty'];
const httpVersions = ['http/1.1', 'h2c', 'h3'];
const maxLabels = 64;

/** A copy with type, protocol, publish and versions filled in; throws 2000 (or 5000 for features this engine lacks). */
export function normalizeProperties(requested: TunnelProperties): TunnelProperties {
  const properties = clone(TunnelPropertiesSchema, requested);
  properties.name ||= undefined;
  properties.protocol ||= undefined;
  properties.publish ??= true;
  if (properties.publish) properties.protocol ??= properties.type === 'datagram' ? undefined : 'http';
  requireOneOf('protocol', properties.protocol, protocols);
  requireOneOf('type', properties.type, ['bytestream', 'datagram']);

  const type = typeOf(properties);
  if (properties.type && properties.type !== type) {
    throw invalidRequest(
      `a tunnel of protocol ${properties.protocol} is of type ${type}, not ${properties.type}`,
    );
  }
  properties.type = type;
  checkPublish(properties);
  checkHttp(properties);
  checkTls(properties);
  checkTcp(properties);
  checkLabels(properties);
  // Given out by the engine only.
  properties.id = undefined;
  properties.host = undefined;
  return properties;
}

function typeOf(properties: TunnelProperties): string {
  const { protocol, httpVersion } = properties;
  if (protocol === undefined) return properties.type || 'bytestream';
  const datagram =
    protocol === 'dtls' || protocol === 'quic' || (protocol === 'http' && httpVersion === 'h3');
  return datagram ? 'datagram' : 'bytestream';
}

function checkPublish({ publish, protocol, hostname, type }: TunnelProperties): void {
  if (publish) {
    if (type === 'datagram' && protocol === undefined) {
      throw invalidRequest('a published datagram tunnel needs a protocol');
    }
    return;
  }
  if (hostname) throw invalidRequest('a private tunnel has no hostname');
  if (protocol === 'dtls' || protocol === 'quic') {
    throw invalidRequest(`a private tunnel cannot be of protocol ${protocol}`);
  }
}

function checkHttp(properties: TunnelProperties): void {
  const { protocol, httpVersion, httpUseTls, upstreamTls } = properties;
  if (httpUseTls !== undefined && upstreamTls !== undefined && httpUseTls !== upstreamTls) {
    throw invalidRequest('http_use_tls and upstream_tls disagree');
  }
  properties.upstreamTls ??= httpUseTls;
  if (properties.rstreamAuth || properties.challengeMode) {
    throw new Refusal(
      ErrorCode.FEATURE_NOT_AVAILABLE,
      'this engine has no rstream login and no challenge page',
    );
  }
  if (protocol !== 'http') {
    if (httpVersion) throw invalidRequest('http_version needs protocol http');
    if (properties.tokenAuth && protocol !== 'webtty') throw invalidRequest('token_auth needs protocol http');
    return;
  }
  requireOneOf('http_version', httpVersion, httpVersions);
  if (properties.upstreamTls && httpVersion) {
    throw invalidRequest('upstream_tls negotiates the HTTP version; leave http_version out');
  }
  if (!properties.upstreamTls) properties.httpVersion = httpVersion || 'http/1.1';
}

function checkTls(properties: TunnelProperties): void {
  const { tlsMode, tlsMinVersion, protocol, publish } = properties;
  requireOneOf('tls_mode', tlsMode, ['terminated', 'passthrough']);
  requireOneOf('tls_min_version', tlsMinVersion, ['tls1.2', 'tls1.3', '1.2', '1.3']);
  if (protocol === 'tls' && publish) properties.tlsMode = tlsMode || 'terminated';
  if (tlsMode !== 'passthrough') return;
  if (protocol === 'http') throw invalidRequest('http tunnels terminate TLS; passthrough needs protocol tls');
  if (properties.upstreamTls || properties.mtlsAuth || tlsMinVersion || properties.tlsCiphers.length > 0) {
    throw invalidRequest('passthrough goes without upstream_tls, mtls_auth, tls_min_version and tls_ciphers');
  }
}

function checkTcp(properties: TunnelProperties): void {
  const { protocol, port, publish } = properties;
  if (protocol !== 'tcp') {
    if (port !== undefined) throw invalidRequest('port needs protocol tcp');
    return;
  }
  if (!publish) throw invalidRequest('a tcp tunnel is always published');
  const { hostname, tlsMode, mtlsAuth, upstreamTls, tokenAuth } = properties;
  if ([hostname, tlsMode, mtlsAuth, upstreamTls, tokenAuth].some((value) => value !== undefined)) {
    throw invalidRequest('a tcp tunnel goes without hostname, TLS and authentication settings');
  }
}

function checkLabels({ labels, name }: TunnelProperties): void {
  if (Object.keys(labels).length > maxLabels) throw invalidRequest(`at most ${maxLabels} labels are kept`);
  if (name !== undefined && name.length > 255)
    throw invalidRequest('a tunnel name is at most 255 characters');
}

function requireOneOf(field: string, value: string | undefined, allowed: readonly string[]): void {
  if (value === undefined || value === '' || allowed.includes(value)) return;
  throw invalidRequest(`${field} "${value.slice(0, 40)}" is not one of ${allowed.join(', ')}`);
}
