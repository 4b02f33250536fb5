// Names the demo uses, in the one place; the sample's own are those of samples/http-server.yaml.

export const engine = {
  namespace: 'rstream-engine',
  name: 'engine',
  /** Published names are <slug>-<endpoint>.t.<domain>, which an agent derives from the address it connects to. */
  endpoint: 'engine',
  domain: 'rstream-engine.svc',
  address: 'engine.rstream-engine.svc:443',
  caSecret: 'local-engine-ca',
  tcpPorts: [20_000, 20_001, 20_002, 20_003],
} as const;

export const operator = { namespace: 'rstream-system', deployment: 'rstream-operator' } as const;

export const sample = {
  namespace: 'rstream-demo',
  tunnel: 'web',
  secret: 'rstream-credentials',
  token: 'local-engine-token',
} as const;

/** The node that `make demo` starts; the tests name another, so that nobody's demo is disturbed. */
export const demoNode = process.env.RSTREAM_DEMO_NODE || 'demo';
