// One published http tunnel, as the manager would hand it to the construct.

import type { TunnelAgentProps } from '../../charts-ts/agent-props.ts';

export const AGENT_PROPS: TunnelAgentProps = {
  tunnel: { name: 'web', namespace: 'demo', uid: '0b0e1c5a-6f4b-4c5e-9d59-0f7a3b0f2a11' },
  config: {
    connection: { engine: 'engine.example.com:443' },
    tunnel: {
      name: 'demo-web',
      publish: true,
      protocol: 'http',
      type: 'bytestream',
      hostname: 'r1a2b3c4d.t.engine.example.com',
      http: { version: 'http/1.1' },
    },
    target: { host: 'http-server.demo.svc', port: '80', protocol: 'TCP' },
    kubernetes: {
      enabled: true,
      namespace: 'demo',
      tunnelName: 'web',
      podNameEnv: 'RSTREAM_AGENT_POD_NAME',
      podNamespaceEnv: 'RSTREAM_AGENT_POD_NAMESPACE',
    },
    retry: { initial: '1s', max: '30s' },
  },
  configHash: 'abc123',
  image: 'registry.example.com/rstream-operator:1.0.0',
  secrets: { token: { name: 'rstream-credentials', key: 'token' } },
};
