// The rules an RstreamTunnel's spec must obey, beyond the structure of its fields. In all of them "", {} and [] are
// the same as absent, and an absent protocol is http.

import type { RstreamTunnelSpec } from '../../generated/rstream-tunnel.ts';
import { type Rule, rule } from './json-schema.ts';
import { celPattern, EMPTY, HOSTNAME, matches } from './patterns.ts';

type Spec = RstreamTunnelSpec;

const protocolOf = (self: Spec): string => self.protocol || 'http';
const has = (field: string): string => `(has(${field}) && ${field} != '')`;

const PROTOCOL_IS = (protocol: string): string => `(has(self.protocol) && self.protocol == '${protocol}')`;
const IS_TCP = PROTOCOL_IS('tcp');
const IS_HTTP = "(!has(self.protocol) || self.protocol in ['', 'http'])";
const IS_PRIVATE = '(has(self.publish) && !self.publish)';
const IS_H3 = "(has(self.http) && has(self.http.version) && self.http.version == 'h3')";
const IS_PASSTHROUGH = "(has(self.tls) && has(self.tls.mode) && self.tls.mode == 'passthrough')";
const HAS_UPSTREAM_TLS = '(has(self.upstreamTLS) && self.upstreamTLS)';
const HAS_HTTP = `(has(self.http) && (${has('self.http.version')} || has(self.http.auth) && (has(self.http.auth.token) || has(self.http.auth.rstream)) || has(self.http.gate) && has(self.http.gate.challenge)))`;
const HAS_TLS = `(has(self.tls) && (${has('self.tls.mode')} || ${has('self.tls.minVersion')} || has(self.tls.alpns) && size(self.tls.alpns) > 0 || has(self.tls.mtls)))`;
const INFERRED_DATAGRAM = `(${PROTOCOL_IS('dtls')} || ${PROTOCOL_IS('quic')} || ${IS_HTTP} && ${IS_H3})`;
const IS_DATAGRAM = `(${has('self.type')} ? self.type == 'datagram' : ${INFERRED_DATAGRAM})`;

/** Whether anything inside spec.http is set. */
function hasHttp({ http }: Spec): boolean {
  if (http === undefined) return false;
  if (http.version) return true;
  return [http.auth?.token, http.auth?.rstream, http.gate?.challenge].some((value) => value !== undefined);
}

function hasTls({ tls }: Spec): boolean {
  if (tls === undefined) return false;
  return Boolean(tls.mode || tls.minVersion) || (tls.alpns ?? []).length > 0 || tls.mtls !== undefined;
}

function inferredDatagram(self: Spec): boolean {
  const protocol = protocolOf(self);
  return protocol === 'dtls' || protocol === 'quic' || (protocol === 'http' && self.http?.version === 'h3');
}

/** Whether the tunnel carries datagrams: as spec.type says, else as follows from the protocol. */
export function isDatagram(self: Spec): boolean {
  return self.type ? self.type === 'datagram' : inferredDatagram(self);
}

/** A raw datagram tunnel that nobody publishes: no protocol is sent to the engine. */
export function isRawDatagram(self: Spec): boolean {
  return self.publish === false && self.type === 'datagram' && protocolOf(self) === 'http' && !hasHttp(self);
}

const tcpRules: readonly Rule[] = [
  rule<Spec>(
    `!${IS_TCP} || !${IS_PRIVATE}`,
    'protocol tcp needs publish: true',
    (self) => protocolOf(self) !== 'tcp' || self.publish !== false,
  ),
  rule<Spec>(
    `!${IS_TCP} || !${has('self.type')} || self.type == 'bytestream'`,
    'protocol tcp needs type bytestream, or none',
    (self) => protocolOf(self) !== 'tcp' || !self.type || self.type === 'bytestream',
  ),
  rule<Spec>(
    `!${IS_TCP} || !has(self.hostname) || self.hostname.matches(${celPattern(EMPTY)})`,
    'protocol tcp has no hostname; remove it, or use protocol tls',
    (self) => protocolOf(self) !== 'tcp' || self.hostname === undefined || matches(self.hostname, EMPTY),
  ),
  rule<Spec>(
    `!${IS_TCP} || !${HAS_TLS}`,
    'protocol tcp has no tls settings; remove them, or use protocol tls',
    (self) => protocolOf(self) !== 'tcp' || !hasTls(self),
  ),
  rule<Spec>(
    `!${IS_TCP} || !${HAS_UPSTREAM_TLS}`,
    'protocol tcp does not support upstreamTLS: true',
    (self) => protocolOf(self) !== 'tcp' || self.upstreamTLS !== true,
  ),
  rule<Spec>(
    `!has(self.tcpPort) || ${IS_TCP}`,
    'tcpPort needs protocol tcp',
    (self) => self.tcpPort === undefined || protocolOf(self) === 'tcp',
  ),
];

const typeRules: readonly Rule[] = [
  rule<Spec>(
    `!has(self.type) || self.type != 'bytestream' || !${INFERRED_DATAGRAM}`,
    'protocols dtls and quic and http.version h3 need type datagram, or none',
    (self) => self.type !== 'bytestream' || !inferredDatagram(self),
  ),
  rule<Spec>(
    `!has(self.type) || self.type != 'datagram' || !${PROTOCOL_IS('tls')}`,
    'protocol tls needs type bytestream, or none',
    (self) => self.type !== 'datagram' || protocolOf(self) !== 'tls',
  ),
  rule<Spec>(
    `!has(self.type) || self.type != 'datagram' || !${IS_HTTP} || ${IS_H3} || (${IS_PRIVATE} && !${HAS_HTTP})`,
    'protocol http with type datagram needs http.version h3, or publish: false and no http settings',
    (self) =>
      self.type !== 'datagram' ||
      protocolOf(self) !== 'http' ||
      self.http?.version === 'h3' ||
      isRawDatagram(self),
  ),
  rule<Spec>(
    `!has(self.datagramGuaranteedDelivery) || !self.datagramGuaranteedDelivery || ${IS_DATAGRAM}`,
    'datagramGuaranteedDelivery: true needs a datagram tunnel',
    (self) => self.datagramGuaranteedDelivery !== true || isDatagram(self),
  ),
];

const edgeRules: readonly Rule[] = [
  rule<Spec>(
    `!has(self.hostname) || self.hostname.matches(${celPattern(HOSTNAME)})`,
    'hostname must be a DNS name such as web.example.com or *.example.com',
    (self) => self.hostname === undefined || matches(self.hostname, HOSTNAME),
  ),
  rule<Spec>(
    `${IS_HTTP} || !${HAS_HTTP}`,
    'http settings need protocol http',
    (self) => protocolOf(self) === 'http' || !hasHttp(self),
  ),
  rule<Spec>(
    `!${HAS_UPSTREAM_TLS} || !has(self.http) || !has(self.http.version) || self.http.version in ['', 'http/1.1']`,
    'upstreamTLS: true does not go with http.version h2c or h3',
    (self) => self.upstreamTLS !== true || !self.http?.version || self.http.version === 'http/1.1',
  ),
  rule<Spec>(
    `!${IS_PASSTHROUGH} || !${has('self.tls.minVersion')}`,
    'tls.mode passthrough does not go with tls.minVersion',
    (self) => self.tls?.mode !== 'passthrough' || !self.tls.minVersion,
  ),
  rule<Spec>(
    `!${IS_PASSTHROUGH} || !has(self.tls.mtls) || !self.tls.mtls`,
    'tls.mode passthrough does not go with tls.mtls: true',
    (self) => self.tls?.mode !== 'passthrough' || self.tls.mtls !== true,
  ),
  rule<Spec>(
    `!${IS_PASSTHROUGH} || !${HAS_UPSTREAM_TLS}`,
    'tls.mode passthrough does not go with upstreamTLS: true',
    (self) => self.tls?.mode !== 'passthrough' || self.upstreamTLS !== true,
  ),
];

const SEVERAL = '(has(self.agent) && has(self.agent.replicas) && self.agent.replicas > 1)';
const several = (self: Spec): boolean => (self.agent?.replicas ?? 1) > 1;

const replicaRules: readonly Rule[] = [
  rule<Spec>(
    `!${SEVERAL} || !${IS_PRIVATE}`,
    'agent.replicas over 1 needs publish: true',
    (self) => !several(self) || self.publish !== false,
  ),
  rule<Spec>(
    `!${SEVERAL} || !${IS_TCP} || has(self.tcpPort)`,
    'agent.replicas over 1 with protocol tcp needs tcpPort',
    (self) => !several(self) || protocolOf(self) !== 'tcp' || self.tcpPort !== undefined,
  ),
];

export const tunnelRules: readonly Rule[] = [...tcpRules, ...typeRules, ...edgeRules, ...replicaRules];
