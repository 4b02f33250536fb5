// Values of the chart that shape the manager's Pod.

import { expect } from 'chai';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from '../../charts-ts/pod-security.ts';
import { container, type Find, type HelmCase, pod } from './helm-case.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

/** A value that lands in the Pod as it is. */
function podField(field: string, value: unknown): HelmCase {
  const check = (find: Find) => expect(pod(find)[field]).to.deep.equal(value);
  return { title: `${field} is the Pod’s own`, values: { [field]: value }, check };
}

function image(title: string, values: object, manager: string, agent: string): HelmCase {
  const check = (find: Find) => {
    expect(container(find).image).to.equal(manager);
    expect(container(find).args[0]).to.equal(`--agent-image=${agent}`);
  };
  return { title, values, check };
}

export const POD_CASES: readonly HelmCase[] = [
  image(
    'image.repository and image.tag serve the agents too',
    { 'image.repository': 'example.com/op', 'image.tag': '2.0' },
    'example.com/op:2.0',
    'example.com/op:2.0',
  ),
  image(
    'image.digest wins over the tag',
    { 'image.repository': 'example.com/op', 'image.tag': '2.0', 'image.digest': DIGEST },
    `example.com/op@${DIGEST}`,
    `example.com/op@${DIGEST}`,
  ),
  image(
    'agent.image is the agents’ own',
    { 'image.repository': 'example.com/op', 'image.tag': '2', 'agent.image.repository': 'example.com/agent' },
    'example.com/op:2',
    'example.com/agent:2',
  ),
  image(
    'agent.image.tag alone changes only the agents’ tag',
    { 'image.repository': 'example.com/op', 'image.digest': DIGEST, 'agent.image.tag': '3' },
    `example.com/op@${DIGEST}`,
    'example.com/op:3',
  ),
  {
    title: 'image.pullPolicy',
    values: { 'image.pullPolicy': 'Always' },
    check: (find) => expect(container(find).imagePullPolicy).to.equal('Always'),
  },
  podField('imagePullSecrets', [{ name: 'registry' }]),
  podField('nodeSelector', { 'kubernetes.io/os': 'linux', constructor: 'kept' }),
  podField('tolerations', [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }]),
  podField('affinity', {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { a: 'b' } } },
      ],
    },
  }),
  podField('topologySpreadConstraints', [
    { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
  ]),
  podField('priorityClassName', 'important'),
  podField('terminationGracePeriodSeconds', 5),
  {
    title: 'securityContext adds to the default',
    values: { securityContext: { fsGroup: 1000 } },
    check: (find) => expect(pod(find).securityContext).to.deep.equal({ ...RESTRICTED_POD, fsGroup: 1000 }),
  },
  {
    title: 'containerSecurityContext adds to the default',
    values: { containerSecurityContext: { runAsUser: 1000 } },
    check: (find) =>
      expect(container(find).securityContext).to.deep.equal({ ...RESTRICTED_CONTAINER, runAsUser: 1000 }),
  },
  {
    title: 'resources',
    values: { 'resources.limits.memory': '1Gi', 'resources.requests.cpu': 1 },
    check: (find) =>
      expect(container(find).resources).to.deep.equal({
        requests: { cpu: 1, memory: '256Mi' },
        limits: { memory: '1Gi' },
      }),
  },
  {
    title: 'podAnnotations',
    values: { podAnnotations: { 'prometheus.io/scrape': 'true' } },
    check: (find) =>
      expect(find('Deployment')[0].spec.template.metadata.annotations).to.deep.equal({
        'prometheus.io/scrape': 'true',
      }),
  },
  {
    title: 'proxy and extraCa',
    values: { proxy: { httpsProxy: 'http://proxy:3128', noProxy: '.internal' }, 'extraCa.configMap': 'ca' },
    check: (find) => {
      expect(container(find).env).to.deep.equal([
        { name: 'HTTPS_PROXY', value: 'http://proxy:3128' },
        { name: 'NO_PROXY', value: '.internal' },
        { name: 'NODE_EXTRA_CA_CERTS', value: '/etc/rstream-operator/ca/ca.crt' },
      ]);
      expect(pod(find).volumes).to.deep.equal([
        { name: 'ca', configMap: { name: 'ca', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      ]);
    },
  },
  {
    title: 'empty maps and lists mean nothing set',
    values: {
      nodeSelector: {},
      tolerations: [],
      affinity: {},
      podLabels: {},
      imagePullSecrets: [],
      watchNamespaces: [],
    },
    check: (find) =>
      expect(pod(find)).not.to.have.any.keys('nodeSelector', 'tolerations', 'affinity', 'imagePullSecrets'),
  },
];
