// Schema of RstreamTunnel: publishes one port of one Service.

import { choice, flag, integer, list, MAX, map, object, type Schema, text } from './json-schema.ts';
import { COUNTRY, IP_OR_CIDR, NAMESPACE, PORT_NAME } from './patterns.ts';
import { commonStatus, newStatus, statusText } from './references.ts';
import { agent } from './tunnel-agent.ts';
import { tunnelRules } from './tunnel-rules.ts';

const connectionRef = object(
  'The RstreamConnection, in the same namespace, that says which engine and which credentials.',
  { name: text('Name of the RstreamConnection. Default: default.') },
  { title: 'ConnectionReference', 'x-kubernetes-map-type': 'atomic' },
);

const service = object(
  'The Service to publish.',
  {
    name: text('Name of the Service.', { minLength: 1 }),
    port: {
      description:
        "Port of the Service, not of its containers: a number from 1 to 65535, or the port's name.",
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      minimum: 1,
      maximum: 65_535,
      maxLength: 63,
      pattern: PORT_NAME,
      'x-kubernetes-int-or-string': true,
    },
    namespace: text(
      "Namespace of the Service. Default: the tunnel's own; another one needs a ReferenceGrant there.",
      { pattern: NAMESPACE },
    ),
  },
  { title: 'ServiceReference', required: ['name', 'port'] },
);

const target = object(
  'Where the traffic of the tunnel goes: one port of one Service.',
  { service },
  { title: 'TunnelTarget', required: ['service'] },
);

const http = object(
  'Settings of http tunnels. An empty block is the same as none.',
  {
    version: choice('HTTP version that the Service speaks. Default: http/1.1. h3 makes a datagram tunnel.', [
      'http/1.1',
      'h2c',
      'h3',
    ]),
    auth: object('Who may visit.', {
      token: flag('Visitors need a token of the project.'),
      rstream: flag('Visitors sign in with rstream.'),
    }),
    gate: object('What visitors must pass first.', {
      challenge: flag('Visitors must pass a browser challenge.'),
    }),
  },
  { title: 'HttpSettings' },
);

const tls = object(
  'TLS between visitors and the edge. An empty block is the same as none.',
  {
    mode: choice('Whether the edge ends TLS or passes it through to the Service.', [
      'terminated',
      'passthrough',
    ]),
    minVersion: choice('Oldest TLS version that visitors may use.', ['tls1.2', 'tls1.3']),
    alpns: list(
      'ALPN protocols that the edge offers.',
      { type: 'string', minLength: 1, maxLength: 255 },
      { maxItems: 32 },
    ),
    mtls: flag('Visitors must present a client certificate.'),
  },
  { title: 'TlsSettings' },
);

const spec = object(
  'What to publish, and how.',
  {
    connectionRef,
    target,
    tunnelName: text('Name of the tunnel in rstream. Default: namespace and name of this object.', {
      maxLength: 512,
    }),
    publish: flag(
      'Publish the tunnel at an address. false: reachable only by dialling it through rstream, and hostname is ignored.',
      {
        default: true,
      },
    ),
    protocol: choice('What visitors speak to the edge.', ['http', 'tls', 'dtls', 'quic', 'tcp'], {
      default: 'http',
    }),
    type: choice(
      'Kind of streams inside the tunnel. Default: datagram for dtls, quic and http.version h3, else bytestream.',
      ['bytestream', 'datagram'],
    ),
    datagramGuaranteedDelivery: flag('Datagrams arrive reliably and in order. Only for datagram tunnels.'),
    allowCrossRegionRouting: flag('Visitors may enter in another region than the agent is connected to.'),
    hostname: text(
      'DNS name to publish at; may begin with *. (a wildcard). Default: generated once, then kept. Not with protocol tcp.',
    ),
    tcpPort: integer('Port to publish at, only with protocol tcp. Default: any free one.', 1, 65_535),
    labels: map("Labels of the tunnel in rstream's inventory. The operator's own win.", {
      type: 'string',
      maxLength: MAX.text,
    }),
    upstreamTLS: flag('The Service itself speaks TLS, and the edge must speak it through the tunnel.'),
    trustedIPs: list('IP addresses and CIDR blocks that visitors may come from. Checked at the edge.', {
      type: 'string',
      maxLength: 64,
      pattern: IP_OR_CIDR,
    }),
    geoip: list('Countries that visitors may come from, as two-letter codes. Checked at the edge.', {
      type: 'string',
      pattern: COUNTRY,
    }),
    http,
    tls,
    suspend: flag('true: no agent runs and the tunnel is down, until it is false again.'),
    agent,
  },
  { title: 'RstreamTunnelSpec', required: ['target'], 'x-kubernetes-validations': tunnelRules },
);

const status = object(
  'What manager and agent know about the tunnel.',
  {
    ...commonStatus,
    tunnelID: statusText('ID of the tunnel in rstream.'),
    rstreamName: statusText('Name of the tunnel in rstream.'),
    hostname: statusText('DNS name that was asked for.'),
    forwardingAddress: statusText('Where visitors reach the Service.'),
    target: statusText('Where traffic goes, host:port.'),
    agentDeployment: statusText('Deployment that runs the agent.'),
    agentPod: statusText('Pod that holds the tunnel.'),
    lastError: text('Last error of the agent: time, code, message. Kept after recovery.', {
      maxLength: 32_768,
    }),
  },
  { title: 'RstreamTunnelStatus', default: newStatus },
);

export const tunnelSchema: Schema = object(
  'RstreamTunnel publishes one port of one Service through rstream.',
  { spec, status },
  { required: ['spec'] },
);
