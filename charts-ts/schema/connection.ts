// Schema of RstreamConnection: shared settings of the tunnels in its namespace.

import { connectionRules, headerRules } from './connection-rules.ts';
import { list, MAX, object, type Schema, text } from './json-schema.ts';
import { HTTP_TOKEN, REGION } from './patterns.ts';
import { commonStatus, newStatus, secretKey, statusText } from './references.ts';
import { transport } from './transport.ts';

const controlPlaneHeader = object(
  'One header whose value comes from a Secret.',
  {
    name: text('Name of the header.', { minLength: 1, maxLength: 256, pattern: HTTP_TOKEN }),
    valueSecretRef: secretKey("The header's value, one line."),
  },
  {
    title: 'ControlPlaneHeader',
    required: ['name', 'valueSecretRef'],
    'x-kubernetes-validations': headerRules,
  },
);

const mtls = object(
  'Authenticates with a client certificate. Exactly one of tokenSecretRef and mtls is set.',
  {
    certSecretRef: secretKey('The client certificate, PEM.'),
    keySecretRef: secretKey("The client certificate's private key, PEM."),
    caSecretRef: secretKey("CA certificates that verify the engine, PEM. Default: the system's."),
  },
  { title: 'MutualTls', required: ['certSecretRef', 'keySecretRef'] },
);

const tls = object(
  'Trust in a self-hosted engine, whichever way of authentication is used.',
  {
    caSecretRef: secretKey("CA certificates that verify the engine, PEM. Default: the system's."),
    serverName: text("Name expected in the engine's certificate. Default: the engine's host."),
  },
  { title: 'EngineTls' },
);

const spec = object(
  'Which engine, which credentials, which network path.',
  {
    projectEndpoint: text(
      'Endpoint of the rstream project. Exactly one of projectEndpoint, projectID and engine is set.',
      {
        minLength: 1,
      },
    ),
    projectID: text(
      'ID of the rstream project. Exactly one of projectEndpoint, projectID and engine is set.',
      {
        minLength: 1,
      },
    ),
    engine: text(
      'Address of a self-hosted engine: host, host:port or [IPv6]:port; port 443 when left out. No control plane is asked. Exactly one of projectEndpoint, projectID and engine is set.',
      { minLength: 1, maxLength: 300 },
    ),
    apiURL: text('Base URL of the control plane that resolves the project.', {
      minLength: 1,
      maxLength: MAX.url,
      default: 'https://rstream.io',
    }),
    region: text(
      "Region of the project to use. Default, and auto: the project's own choice. Not with engine.",
      {
        maxLength: 64,
        pattern: REGION,
      },
    ),
    controlPlaneHeaders: list(
      'Headers that the manager adds to requests to the control plane. They never reach an engine. Not with engine.',
      controlPlaneHeader,
      { maxItems: 32, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
    ),
    tokenSecretRef: secretKey(
      'Authentication token. Exactly one of tokenSecretRef and mtls is set; projects need tokenSecretRef.',
    ),
    mtls,
    tls,
    transport,
  },
  { title: 'RstreamConnectionSpec', 'x-kubernetes-validations': connectionRules },
);

const status = object(
  'What the manager knows about the connection.',
  {
    ...commonStatus,
    apiURL: statusText('Control plane that was asked; empty with engine.'),
    projectID: statusText('ID of the project that was resolved; empty with engine.'),
    projectEndpoint: statusText('Endpoint of the project that was resolved; empty with engine.'),
    region: statusText('Region that was asked for, or auto; empty with engine.'),
    engine: statusText('Address of the engine, host:port, as last resolved.'),
  },
  { title: 'RstreamConnectionStatus', default: newStatus },
);

export const connectionSchema: Schema = object(
  'RstreamConnection holds the settings that tunnels of its namespace share: which engine, which credentials, which network path.',
  { spec, status },
  { required: ['spec'] },
);
