// Clients and tunnels as the engine's HTTP API shows them, and its filters. Pure. Names are snake_case; the one that
// differs from the wire is geo_ip.

import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Client } from './registry.ts';
import type { Tunnel } from './tunnel.ts';

export type JsonObject = Record<string, unknown>;

const place = { workspace_id: 'wks_local', project_id: 'prj_local', cluster_id: 'cls_local' };

export function clientObject(client: Client): JsonObject {
  const { details } = client;
  return {
    id: client.id,
    status: client.open ? 'online' : 'offline',
    user_id: client.user,
    ...place,
    plan: 'development',
    provider: 'other',
    region: 'local',
    agent: details?.agent,
    channel: details?.channel,
    version: details?.version,
    os: details?.os,
    arch: details?.arch,
    protocol_version: details?.protocolVersion,
    labels: {},
  };
}

export function tunnelObject(tunnel: Tunnel): JsonObject {
  const { properties, owner } = tunnel;
  return {
    client_id: owner.id,
    user_id: owner.user,
    ...place,
    status: owner.open ? 'online' : 'offline',
    id: tunnel.id,
    creation_date: properties.creationDate && timestampDate(properties.creationDate).toISOString(),
    name: properties.name,
    type: properties.type,
    publish: properties.publish,
    protocol: properties.protocol,
    labels: properties.labels,
    geo_ip: properties.geoip,
    trusted_ips: properties.trustedIps,
    host: properties.host,
    tls_mode: properties.tlsMode,
    tls_alpns: properties.tlsAlpns,
    tls_min_version: properties.tlsMinVersion,
    tls_ciphers: properties.tlsCiphers,
    mtls_auth: properties.mtlsAuth,
    http_version: properties.httpVersion,
    http_use_tls: properties.httpUseTls,
    token_auth: properties.tokenAuth,
    rstream_auth: properties.rstreamAuth,
    challenge_mode: properties.challengeMode,
    hostname: properties.hostname,
    port: properties.port,
    upstream_tls: properties.upstreamTls,
    datagram_guaranteed_delivery: properties.datagramGuaranteedDelivery,
    allow_cross_region_routing: properties.allowCrossRegionRouting,
  };
}

/** What a list or watch asked for: equal values, and labels where null means any value. */
export type Filters = Readonly<Record<string, unknown>>;

export function matches(object: JsonObject, filters: Filters | undefined): boolean {
  return Object.entries(filters ?? {}).every(([key, wanted]) => {
    if (key !== 'labels') return Object.hasOwn(object, key) && object[key] === wanted;
    const labels = isObject(object.labels) ? object.labels : {};
    return Object.entries(isObject(wanted) ? wanted : {}).every(
      ([name, value]) => Object.hasOwn(labels, name) && (value === null || labels[name] === value),
    );
  });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
