// A configuration of the agent in which every key is set.

import type { AgentConfig } from '../../src/api/agent-config.ts';

export const fullAgentConfig: AgentConfig = {
  connection: {
    engine: 'engine.test:443',
    mtls: { certFile: '/m/tls.crt', keyFile: '/m/tls.key', caFile: '/m/ca.crt' },
    tls: { caFile: '/t/ca.crt', serverName: 'engine.test' },
    transport: {
      mode: 'tls',
      bind: { mode: 'interface', interface: 'eth0', address: '192.0.2.1' },
      ipFamily: 'ipv4',
      dns: { override: '192.0.2.53', tls: true, serverName: 'dns.test', dnssec: true },
      mptcp: false,
      proxy: {
        http: 'http://proxy.test:3128',
        usernameEnv: 'RSTREAM_PROXY_USERNAME',
        passwordEnv: 'RSTREAM_PROXY_PASSWORD',
        headers: { 'X-Team': 'on' },
      },
      useQuic: false,
    },
  },
  tunnel: {
    name: 'shop-web',
    publish: true,
    protocol: 'http',
    type: 'bytestream',
    datagramGuaranteedDelivery: false,
    allowCrossRegionRouting: true,
    hostname: 'web.example.test',
    tcpPort: 4242,
    labels: { on: 'yes', version: '1.10', empty: '', '0777': '0777' },
    upstreamTLS: false,
    trustedIPs: ['192.0.2.0/24'],
    geoip: ['NO'],
    http: { version: 'http/1.1', auth: { token: true, rstream: false }, gate: { challenge: true } },
    tls: { mode: 'terminated', minVersion: 'tls1.3', alpns: ['h2'], mtls: false },
  },
  target: { host: 'web.shop.svc', port: '80', protocol: 'TCP' },
  kubernetes: {
    enabled: true,
    namespace: 'shop',
    tunnelName: 'web',
    podNameEnv: 'RSTREAM_AGENT_POD_NAME',
    podNamespaceEnv: 'RSTREAM_AGENT_POD_NAMESPACE',
  },
  retry: { initial: '1s', max: '30s' },
  log: { level: 'debug' },
  drain: { timeout: '25s' },
};
