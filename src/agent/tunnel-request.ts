// config.yaml's tunnel section as a request to the engine.

import type { AgentTunnelConfig } from '../api/agent-config.ts';
import type { TunnelRequest } from '../rstream/tunnel-properties.ts';

export function tunnelRequest(tunnel: AgentTunnelConfig): TunnelRequest {
  return {
    name: tunnel.name,
    publish: tunnel.publish,
    protocol: tunnel.protocol,
    type: tunnel.type,
    labels: tunnel.labels && new Map(Object.entries(tunnel.labels)),
    hostname: tunnel.publish === false ? undefined : tunnel.hostname,
    port: tunnel.tcpPort,
    geoip: tunnel.geoip,
    trustedIps: tunnel.trustedIPs,
    tlsMode: tunnel.tls?.mode,
    tlsAlpns: tunnel.tls?.alpns,
    tlsMinVersion: tunnel.tls?.minVersion,
    mtlsAuth: tunnel.tls?.mtls,
    httpVersion: tunnel.upstreamTLS ? undefined : tunnel.http?.version,
    tokenAuth: tunnel.http?.auth?.token,
    rstreamAuth: tunnel.http?.auth?.rstream,
    challengeMode: tunnel.http?.gate?.challenge,
    upstreamTls: tunnel.protocol === 'tcp' ? undefined : tunnel.upstreamTLS,
    datagramGuaranteedDelivery: tunnel.protocol === 'tcp' ? undefined : tunnel.datagramGuaranteedDelivery,
    allowCrossRegionRouting: tunnel.allowCrossRegionRouting,
  };
}

/** Whether the tunnel will carry packets. */
export function isDatagramRequest({ type, protocol, httpVersion }: TunnelRequest): boolean {
  return type === 'datagram' || protocol === 'dtls' || protocol === 'quic' || httpVersion === 'h3';
}

/** Whether the request names something only one tunnel can have at a time. */
export function isLocked(request: TunnelRequest): boolean {
  return request.hostname !== undefined || request.port !== undefined;
}
