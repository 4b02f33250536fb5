// What a client may ask of a tunnel, checked before anything is sent, and the message it becomes. Only fields the caller
// set are sent; `false` is a value, absent is not.

import { create } from '@bufbuild/protobuf';
import { type TunnelProperties, TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import { RstreamError } from './errors.ts';

export type TunnelProtocol = 'http' | 'tls' | 'tcp' | 'dtls' | 'quic' | 'webtty';
export type TunnelType = 'bytestream' | 'datagram';

/** Absent fields are left to the engine; `undefined` counts as absent. */
export interface TunnelRequest {
  readonly name?: string | undefined;
  /** Absent: published. */
  readonly publish?: boolean | undefined;
  readonly protocol?: TunnelProtocol | undefined;
  readonly type?: TunnelType | undefined;
  readonly labels?: ReadonlyMap<string, string> | undefined;
  readonly hostname?: string | undefined;
  /** The public TCP port; only with protocol tcp. */
  readonly port?: number | undefined;
  readonly geoip?: readonly string[] | undefined;
  readonly trustedIps?: readonly string[] | undefined;
  readonly tlsMode?: 'terminated' | 'passthrough' | undefined;
  readonly tlsAlpns?: readonly string[] | undefined;
  readonly tlsMinVersion?: 'tls1.2' | 'tls1.3' | undefined;
  readonly tlsCiphers?: readonly string[] | undefined;
  readonly mtlsAuth?: boolean | undefined;
  readonly httpVersion?: 'http/1.1' | 'h2c' | 'h3' | undefined;
  readonly tokenAuth?: boolean | undefined;
  readonly rstreamAuth?: boolean | undefined;
  readonly challengeMode?: boolean | undefined;
  /** The Service speaks TLS and so must the edge, through the stream. Sent under its old name too for http tunnels. */
  readonly upstreamTls?: boolean | undefined;
  readonly datagramGuaranteedDelivery?: boolean | undefined;
  readonly allowCrossRegionRouting?: boolean | undefined;
}

/** The checked message; throws ERR_RSTREAM_INVALID_TUNNEL naming the field. */
export function tunnelProperties(request: TunnelRequest): TunnelProperties {
  checkRequest(request);
  const { labels, geoip, trustedIps, tlsAlpns, tlsCiphers, ...scalars } = request;
  const message = create(TunnelPropertiesSchema, {
    geoip: [...(geoip ?? [])],
    trustedIps: [...(trustedIps ?? [])],
    tlsAlpns: [...(tlsAlpns ?? [])],
    tlsCiphers: [...(tlsCiphers ?? [])],
  });

  for (const [key, value] of Object.entries(scalars)) {
    if (value !== undefined) Object.defineProperty(message, key, { value, ...plain });
  }
  for (const [key, value] of labels ?? []) Object.defineProperty(message.labels, key, { value, ...plain });
  if (request.protocol === 'tcp') Object.assign(message, { publish: true, type: 'bytestream' });
  if (request.upstreamTls !== undefined && (request.protocol ?? 'http') === 'http') {
    message.httpUseTls = request.upstreamTls;
  }
  return message;
}

/** Whether the engine made it a tunnel of packets. */
export function isDatagram(properties: TunnelProperties): boolean {
  return properties.type === 'datagram';
}

/** A label named __proto__ is a label like any other. */
const plain = { enumerable: true, writable: true, configurable: true } as const;

const notForTcp = [
  'hostname',
  'tlsMode',
  'tlsAlpns',
  'tlsMinVersion',
  'tlsCiphers',
  'mtlsAuth',
  'httpVersion',
  'upstreamTls',
  'tokenAuth',
  'rstreamAuth',
  'challengeMode',
  'datagramGuaranteedDelivery',
] as const satisfies readonly (keyof TunnelRequest)[];

function checkRequest(request: TunnelRequest): void {
  const { port, protocol } = request;
  if (port !== undefined && protocol !== 'tcp') refuse('port is only for protocol tcp');
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    refuse('port must be a whole number from 1 to 65535');
  }
  if (request.datagramGuaranteedDelivery && request.type === 'bytestream') {
    refuse('datagramGuaranteedDelivery needs type datagram');
  }
  if (request.upstreamTls && request.httpVersion !== undefined) {
    refuse('httpVersion is negotiated when upstreamTls is true; leave one of them out');
  }
  if (protocol === 'tcp') checkTcp(request);
}

function checkTcp(request: TunnelRequest): void {
  if (request.publish === false) refuse('publish must be true with protocol tcp');
  if (request.type !== undefined && request.type !== 'bytestream') {
    refuse('type must be bytestream with protocol tcp');
  }
  for (const field of notForTcp) {
    const value = request[field];
    const empty = Array.isArray(value) && value.length === 0;
    if (value !== undefined && !empty) refuse(`${field} cannot be set with protocol tcp`);
  }
}

function refuse(message: string): never {
  throw new RstreamError('ERR_RSTREAM_INVALID_TUNNEL', message);
}
