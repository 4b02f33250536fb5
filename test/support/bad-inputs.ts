// Objects that the API server takes and that cannot work: each is one slip in a world that is otherwise good, with the
// condition that must tell of it and words of the message that name the fix.

interface Slip {
  readonly what: string;
  /** Fields of the connection, instead of those of a good one. */
  readonly connection?: object;
  /** More Secrets than `credentials` with its key `token`, by name. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What the Secret holds, instead of a good one. */
  readonly token?: string;
  readonly service?: object;
  readonly tunnel?: object;
  /** Which of the world is missing. */
  readonly without?: 'connection' | 'secret' | 'service';
}

export interface BadInput extends Slip {
  readonly resource: 'tunnel' | 'connection';
  readonly condition: string;
  readonly reason: string;
  readonly words: string;
}

const ref = (name: string, key = 'k') => ({ name, key });
const good = ref('credentials', 'token');
const project = (fields: object) => ({ projectEndpoint: 'ab12cd34', ...fields });
const port = { name: 'http', port: 80, targetPort: 8080 };
const target = (fields: object) => ({ target: { service: { name: 'app', port: 80, ...fields } } });

function connection(reason: string, words: string, slip: Slip): BadInput {
  return { resource: 'connection', condition: 'Ready', reason, words, ...slip };
}
const missing = (words: string, slip: Slip) => connection('SecretMissing', words, slip);
const invalid = (words: string, slip: Slip) => connection('InvalidSpec', words, slip);
const denied = (words: string, slip: Slip) => connection('PolicyDenied', words, slip);
function unresolved(reason: string, words: string, slip: Slip): BadInput {
  return { resource: 'tunnel', condition: 'Resolved', reason, words, ...slip };
}
function undeployable(words: string, what: string, agent: object): BadInput {
  return {
    resource: 'tunnel',
    condition: 'AgentReady',
    reason: 'DeploymentFailed',
    words,
    what,
    tunnel: { agent },
  };
}

const secrets: readonly BadInput[] = [
  missing('"credentials" (spec.tokenSecretRef) does not exist', { what: 'no Secret', without: 'secret' }),
  missing('no key "nope"', {
    what: 'no such key',
    connection: { tokenSecretRef: ref('credentials', 'nope') },
  }),
  missing('is empty', { what: 'an empty token', token: '' }),
  missing('is empty', { what: 'a blank token', token: ' \n\t ' }),
  missing('no key "constructor"', {
    what: 'a key every object has',
    connection: { tokenSecretRef: ref('credentials', 'constructor') },
  }),
  missing('spec.mtls.certSecretRef', {
    what: 'no client certificate',
    connection: { tokenSecretRef: undefined, mtls: { certSecretRef: ref('m'), keySecretRef: good } },
  }),
  missing('spec.mtls.keySecretRef', {
    what: 'no private key',
    connection: { tokenSecretRef: undefined, mtls: { certSecretRef: good, keySecretRef: ref('m') } },
  }),
  missing('spec.mtls.caSecretRef', {
    what: 'no CA of mtls',
    connection: {
      tokenSecretRef: undefined,
      mtls: { certSecretRef: good, keySecretRef: good, caSecretRef: ref('m') },
    },
  }),
  missing('spec.tls.caSecretRef', { what: 'no private CA', connection: { tls: { caSecretRef: ref('ca') } } }),
  missing('spec.transport.proxy.usernameSecretRef', {
    what: 'no proxy user',
    connection: {
      transport: { proxy: { http: 'http://p:3128', usernameSecretRef: ref('p'), passwordSecretRef: good } },
    },
  }),
  missing('spec.transport.proxy.passwordSecretRef', {
    what: 'no proxy password',
    connection: {
      transport: { proxy: { http: 'http://p:3128', usernameSecretRef: good, passwordSecretRef: ref('p') } },
    },
  }),
  missing('controlPlaneHeaders X-Team', {
    what: 'no header value',
    connection: project({ controlPlaneHeaders: [{ name: 'X-Team', valueSecretRef: ref('h') }] }),
  }),
  ...['.', '..', 'a/b', 'Credentials', 'a b', 'ü', 'x'.repeat(253).replace(/^x/, '-'), 'a.'].map((name) =>
    invalid('correct it', {
      what: `Secret name ${JSON.stringify(name.slice(0, 20))}`,
      connection: { tokenSecretRef: ref(name) },
    }),
  ),
];

const specs: readonly BadInput[] = [
  invalid('header X-Team', {
    what: 'a header value of two lines',
    secrets: { h: { k: 'a\nb' } },
    connection: project({ controlPlaneHeaders: [{ name: 'X-Team', valueSecretRef: ref('h') }] }),
  }),
  invalid('header X-Team', {
    what: 'a header value with NUL',
    secrets: { h: { k: 'a\u0000b' } },
    connection: project({ controlPlaneHeaders: [{ name: 'X-Team', valueSecretRef: ref('h') }] }),
  }),
  invalid('token of spec.tokenSecretRef', {
    what: 'a token of two lines',
    token: 'a\r\nb',
    connection: project({}),
  }),
  invalid('spec.projectEndpoint', {
    what: 'a project that is a path',
    connection: { projectEndpoint: '..' },
  }),
  invalid('spec.projectEndpoint', {
    what: 'a project with a slash',
    connection: { projectEndpoint: 'a/../b' },
  }),
  invalid('spec.projectEndpoint', { what: 'a blank project', connection: { projectEndpoint: ' ' } }),
  invalid('spec.apiURL', {
    what: 'a control plane at port 99999',
    connection: project({ apiURL: 'https://control.example:99999' }),
  }),
  invalid('spec.engine', { what: 'an engine with an empty label', connection: { engine: 'a..example.com' } }),
  invalid('spec.engine', {
    what: 'an engine with an underscore',
    connection: { engine: 'my_engine.example.com' },
  }),
  invalid('spec.engine', {
    what: 'an engine in brackets that is no address',
    connection: { engine: '[::::]:443' },
  }),
  invalid('spec.engine', {
    what: 'an engine with a label that is too long',
    connection: { engine: `${'e'.repeat(64)}.example.com` },
  }),
  denied('--allowed-engines', {
    what: 'an engine that is not allowed',
    connection: { engine: 'engine.example.org' },
  }),
  denied('--allow-insecure-control-plane', {
    what: 'a control plane without TLS',
    connection: project({ apiURL: 'http://control.example' }),
  }),
  ...['127.0.0.1', '10.1.2.3', '169.254.169.254', '[::1]', '2130706433', '[::ffff:10.0.0.1]'].map((host) =>
    denied('--control-plane-allow-cidr', {
      what: `a control plane at ${host}`,
      connection: project({ apiURL: `https://${host}` }),
    }),
  ),
];

const references: readonly BadInput[] = [
  unresolved('ConnectionMissing', '"default" does not exist', {
    what: 'no connection',
    without: 'connection',
  }),
  unresolved('ConnectionMissing', '"../x" does not exist', {
    what: 'a connection no object can be',
    tunnel: { connectionRef: { name: '../x' } },
  }),
  unresolved('ConnectionNotReady', 'PolicyDenied', {
    what: 'a connection that is refused',
    connection: { engine: 'engine.example.org' },
  }),
  unresolved('SecretMissing', 'create it', { what: 'a connection without its Secret', without: 'secret' }),
  unresolved('ServiceMissing', 'create it', { what: 'no Service', without: 'service' }),
  unresolved('ServiceMissing', 'create it', {
    what: 'a Service no object can be',
    tunnel: target({ name: 'a/b' }),
  }),
  unresolved('ServicePortMissing', 'it has: http (80)', {
    what: 'no such port',
    tunnel: target({ port: 81 }),
  }),
  unresolved('ServicePortMissing', 'it has: http (80)', {
    what: 'no such port name',
    tunnel: target({ port: 'web' }),
  }),
  unresolved('ServicePortMissing', 'it has: http (80)', {
    what: 'the port of the container',
    tunnel: target({ port: 8080 }),
  }),
  unresolved('ServicePortMismatch', 'needs TCP', {
    what: 'a UDP port for http',
    service: { ports: [{ ...port, protocol: 'UDP' }] },
  }),
  unresolved('ServicePortMismatch', 'make them equal', {
    what: 'a headless Service whose ports differ',
    service: { clusterIP: 'None', ports: [port] },
  }),
  unresolved('RefNotPermitted', '--allow-external-name', {
    what: 'an ExternalName Service',
    service: { type: 'ExternalName', externalName: 'x.example', ports: [port] },
  }),
  unresolved('RefNotPermitted', 'ReferenceGrant', {
    what: 'another namespace',
    tunnel: target({ namespace: 'default' }),
  }),
  unresolved('RefNotPermitted', 'ReferenceGrant', {
    what: 'a namespace that does not exist',
    tunnel: target({ namespace: 'nowhere' }),
  }),
];

const agents: readonly BadInput[] = [
  {
    resource: 'tunnel',
    condition: 'Accepted',
    reason: 'InvalidSpec',
    words: '--allowed-agent-images',
    what: 'an image that is not allowed',
    tunnel: { agent: { image: 'evil.example/agent' } },
  },
  undeployable('nodeSelector', 'a node label that is none', { nodeSelector: { 'not a label': 'x' } }),
  undeployable('tolerations', 'a toleration that contradicts itself', {
    tolerations: [{ operator: 'Exists', value: 'x' }],
  }),
  undeployable('affinity', 'an affinity that is none', {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Near' }] }],
        },
      },
    },
  }),
  undeployable('requests', 'requests above limits', {
    resources: { requests: { cpu: '2' }, limits: { cpu: '1' } },
  }),
  undeployable('resources', 'a resource that is none', { resources: { requests: { electricity: '1' } } }),
  undeployable('labels', 'a label value that is none', { podLabels: { team: 'a b' } }),
  undeployable('labels', 'a label key that is none', { podLabels: { 'a b': 'c' } }),
  undeployable('annotations', 'an annotation key that is none', { podAnnotations: { 'a b': 'c' } }),
  undeployable('annotations', 'more annotations than fit', {
    podAnnotations: Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [key, 'x'.repeat(60_000)])),
  }),
  undeployable('maxSkew', 'a spread that is none', {
    topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
  }),
];

export const badInputs: readonly BadInput[] = [...secrets, ...specs, ...references, ...agents];
