// The bounds of both resources, one row each: the longest value that is taken and one longer, and each required field of a
// reference left out. What they say has to be said in the schema a second time, so that no bound goes unnoticed.

import { bad, good, type ManifestCase } from './manifest-cases.ts';

const EMPTY = 'should be at least 1 chars long';
const ref = { name: 's', key: 'k' };
const token = { tokenSecretRef: ref };
const project = { projectEndpoint: 'demo', ...token };
const direct = { engine: 'engine.test', ...token };
const mtls = { certSecretRef: ref, keySecretRef: ref };
const tunnel = { target: { service: { name: 'web', port: 80 } } };
const proxy = { http: 'http://proxy.test:3128', usernameSecretRef: ref, passwordSecretRef: ref };
const header = { name: 'X-A', valueSecretRef: ref };

const letters = (count: number): string => 'x'.repeat(count);
const entries = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
const many =
  (item: unknown) =>
  (count: number): readonly unknown[] =>
    Array.from({ length: count }, () => item);
const engine = (count: number): string => 'engine.test'.padEnd(count);
const filled = (start: string, end = '') => {
  return (count: number): string => start + '0'.repeat(count - start.length - end.length) + end;
};

/** Path below spec, greatest size, a value of a size, and the rest of the spec. */
type Bound = readonly [path: string, max: number, of: (size: number) => unknown, spec: object];

const secretRefs: readonly (readonly [string, object])[] = [
  ['tokenSecretRef', { engine: 'engine.test' }],
  ...['certSecretRef', 'keySecretRef', 'caSecretRef'].map(
    (field) => [`mtls.${field}`, { engine: 'engine.test', mtls }] as const,
  ),
  ['tls.caSecretRef', direct],
  ['transport.proxy.usernameSecretRef', { ...direct, transport: { proxy } }],
  ['transport.proxy.passwordSecretRef', { ...direct, transport: { proxy } }],
  ['controlPlaneHeaders[0].valueSecretRef', { ...project, controlPlaneHeaders: [header] }],
];

const connectionBounds: readonly Bound[] = [
  ['projectEndpoint', 253, letters, token],
  ['projectID', 253, letters, token],
  ['engine', 300, engine, token],
  ['apiURL', 2048, filled('https://x.test/'), project],
  ['region', 64, letters, project],
  ['controlPlaneHeaders[0].name', 256, letters, { ...project, controlPlaneHeaders: [header] }],
  ['tls.serverName', 253, letters, direct],
  ['transport.bind.interface', 64, letters, { ...direct, transport: { bind: { mode: 'interface' } } }],
  ['transport.bind.address', 64, letters, direct],
  ['transport.dns.override', 300, filled('::'), direct],
  ['transport.dns.serverName', 253, letters, direct],
  ['transport.proxy.http', 512, filled('http://[::', ']'), direct],
  ['transport.proxy.headers.X-A', 1024, letters, { ...direct, transport: { proxy } }],
  ...secretRefs.flatMap(([path, spec]): Bound[] => [
    [`${path}.name`, 253, letters, withValue(spec, path, ref)],
    [`${path}.key`, 253, letters, withValue(spec, path, ref)],
  ]),
];

const tunnelBounds: readonly Bound[] = [
  ['connectionRef.name', 253, letters, tunnel],
  ['target.service.name', 253, letters, tunnel],
  ['target.service.port', 63, letters, tunnel],
  ['tunnelName', 512, letters, tunnel],
  ['hostname', 253, (size) => `${'a.'.repeat(126)}a`.padEnd(size), tunnel],
  ['labels', 64, entries, tunnel],
  ['labels.k', 1024, letters, tunnel],
  ['trustedIPs', 256, many('192.0.2.1'), tunnel],
  ['trustedIPs[0]', 64, filled('::'), { ...tunnel, trustedIPs: [''] }],
  ['geoip', 256, many('FR'), tunnel],
  ['tls.alpns', 32, many('h2'), tunnel],
  ['tls.alpns[0]', 255, letters, { ...tunnel, tls: { alpns: [''] } }],
  ['agent.image', 1024, letters, tunnel],
  ['agent.podLabels', 64, entries, tunnel],
  ['agent.podLabels.k', 1024, letters, tunnel],
  ['agent.podAnnotations', 64, entries, tunnel],
  ['agent.podAnnotations.k', 65_536, letters, tunnel],
  ['agent.nodeSelector', 64, entries, tunnel],
  ['agent.nodeSelector.k', 1024, letters, tunnel],
  ['agent.tolerations', 256, many({ operator: 'Exists' }), tunnel],
  ['agent.priorityClassName', 253, letters, tunnel],
  ['agent.imagePullSecrets', 256, many({ name: 's' }), tunnel],
  ['agent.imagePullSecrets[0].name', 253, letters, { ...tunnel, agent: { imagePullSecrets: [{}] } }],
  [
    'agent.topologySpreadConstraints',
    256,
    many({ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }),
    tunnel,
  ],
];

export const connectionBoundCases: readonly ManifestCase[] = [
  ...connectionBounds.flatMap(rows),
  ...secretRefs.flatMap(([path, spec]) => [
    bad(`${path} without a name`, withValue(spec, path, { key: 'k' }), `spec.${path}.name`, 'Required value'),
    bad(`${path} without a key`, withValue(spec, path, { name: 's' }), `spec.${path}.key`, 'Required value'),
    bad(`${path} of name ""`, withValue(spec, path, { name: '', key: 'k' }), `spec.${path}.name`, EMPTY),
    bad(`${path} of key ""`, withValue(spec, path, { name: 's', key: '' }), `spec.${path}.key`, EMPTY),
  ]),
  bad(
    'header without a name',
    { ...project, controlPlaneHeaders: [{ valueSecretRef: ref }] },
    'spec.controlPlaneHeaders[0].name',
    'Required value',
  ),
  bad(
    'mtls without a certificate',
    { engine: 'engine.test', mtls: { keySecretRef: ref } },
    'spec.mtls.certSecretRef',
    'Required value',
  ),
];

export const tunnelBoundCases: readonly ManifestCase[] = [
  ...tunnelBounds.flatMap(rows),
  bad(
    'pull secret with an empty name',
    { ...tunnel, agent: { imagePullSecrets: [{ name: '' }] } },
    'spec.agent.imagePullSecrets[0].name',
    EMPTY,
  ),
];

function rows([path, max, of, spec]: Bound): readonly ManifestCase[] {
  const isText = typeof of(max) === 'string';
  const sentence = isText ? `may not be more than ${max} bytes` : `must have at most ${max} items`;
  return [
    good(`${path} of ${max}`, withValue(spec, path, of(max))),
    bad(`${path} of ${max + 1}`, withValue(spec, path, of(max + 1)), `spec.${path}`, sentence),
  ];
}

/** A copy of the spec with this value at this path. */
function withValue(spec: object, path: string, value: unknown): object {
  const copy = structuredClone(spec);
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  const last = keys.pop() ?? '';
  let place = copy as Record<string, unknown>;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key] as Record<string, unknown>;
  }
  place[last] = value;
  return copy;
}
