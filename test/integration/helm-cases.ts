// Values of the chart, one idea each, and what must follow from them.

import { expect } from 'chai';
import { CHART_VALUES } from '../../charts-ts/helm/values.ts';
import { MANAGER_RESOURCES } from '../../charts-ts/manager.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from '../../charts-ts/pod-security.ts';
import { GO_VALUES } from '../support/go-chart.ts';
import type { Manifest } from '../support/helm.ts';

type Find = (kind: string) => Manifest[];

export interface HelmCase {
  readonly title: string;
  readonly values?: object;
  readonly check: (find: Find) => void;
}

const NAME = 'tunnels-rstream-operator';
const LONG = 'a'.repeat(63);
const DIGEST = `sha256:${'0'.repeat(64)}`;

function pod(find: Find): Manifest {
  return find('Deployment')[0].spec.template.spec;
}

function container(find: Find): Manifest {
  return pod(find).containers[0];
}

/** A value that is a flag of the manager. */
function flag(title: string, values: object, ...expected: string[]): HelmCase {
  return { title, values, check: (find) => expect(container(find).args).to.include.members(expected) };
}

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

const nameOf = ({ metadata }: Manifest) => metadata.name;

export const HELM_CASES: readonly HelmCase[] = [
  {
    title: 'default to one restricted manager for the whole cluster',
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal([NAME]);
      expect(find('ClusterRole').map(nameOf)).to.include(`${NAME}-manager-role`);
      expect(pod(find).securityContext).to.deep.equal(RESTRICTED_POD);
      expect(container(find).securityContext).to.deep.equal(RESTRICTED_CONTAINER);
      expect(container(find).resources).to.deep.equal(MANAGER_RESOURCES);
      expect(find('CustomResourceDefinition')).to.have.length(2);
      expect(find('Job')).to.deep.equal([]);
    },
  },
  {
    title: 'keep the selector, container and port names of the Go operator’s chart',
    check: (find) => {
      expect(find('Deployment')[0].spec.selector.matchLabels).to.deep.equal({
        'app.kubernetes.io/name': 'rstream-operator',
        'app.kubernetes.io/instance': 'tunnels',
        'app.kubernetes.io/component': 'manager',
      });
      expect(container(find).name).to.equal('manager');
      expect(container(find).ports).to.deep.equal([
        { name: 'metrics', containerPort: 8080 },
        { name: 'health', containerPort: 8081 },
      ]);
    },
  },
  {
    title: 'take every value of the Go operator’s chart',
    values: { ...GO_VALUES, replicaCount: 2, podLabels: { team: 'edge' }, metrics: { bindAddress: ':9090' } },
    check: (find) => {
      const { replicas, template } = find('Deployment')[0].spec;
      expect(replicas).to.equal(2);
      expect(template.metadata.labels).to.include({ team: 'edge' });
      expect(container(find).image).to.equal('example.com/go-operator:v0.5.2');
      expect(container(find).resources).to.deep.equal(GO_VALUES.resources);
      expect(container(find).args).to.include('--metrics-bind-address=:9090');
      expect(find('CustomResourceDefinition')).to.have.length(2);
    },
  },
  {
    title: 'keep CRDs when the release is uninstalled',
    check: (find) => {
      for (const { metadata } of find('CustomResourceDefinition')) {
        expect(metadata.annotations).to.deep.equal({ 'helm.sh/resource-policy': 'keep' });
      }
    },
  },
  {
    title: 'installCRDs=false leaves CRDs to somebody else',
    values: { installCRDs: false },
    check: (find) => expect(find('CustomResourceDefinition')).to.deep.equal([]),
  },
  {
    title: 'replicaCount',
    values: { replicaCount: 3 },
    check: (find) => expect(find('Deployment')[0].spec.replicas).to.equal(3),
  },
  {
    title: 'replicaCount 0 pauses the operator',
    values: { replicaCount: 0 },
    check: (find) => expect(find('Deployment')[0].spec.replicas).to.equal(0),
  },
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
    title: 'podLabels and commonLabels never touch the selector’s labels',
    values: {
      podLabels: { team: 'pods', 'app.kubernetes.io/component': 'forged' },
      commonLabels: { team: 'all', site: 'east' },
    },
    check: (find) => {
      const { metadata, spec } = find('Deployment')[0];
      expect(metadata.labels).to.include({ team: 'all', site: 'east' });
      expect(spec.template.metadata.labels).to.include({
        team: 'pods',
        site: 'east',
        ...spec.selector.matchLabels,
      });
      expect(spec.selector.matchLabels['app.kubernetes.io/component']).to.equal('manager');
    },
  },
  {
    title: 'commonAnnotations are on every object, and never replace the chart’s own',
    values: {
      commonAnnotations: { owner: 'edge', 'helm.sh/resource-policy': 'forged' },
      'serviceAccount.annotations': { owner: 'identity' },
    },
    check: (find) => {
      expect(find('Deployment')[0].metadata.annotations).to.include({ owner: 'edge' });
      expect(find('ClusterRole')[0].metadata.annotations).to.include({ owner: 'edge' });
      expect(find('ServiceAccount')[0].metadata.annotations).to.include({ owner: 'identity' });
      for (const { metadata } of find('CustomResourceDefinition')) {
        expect(metadata.annotations).to.deep.equal({ owner: 'edge', 'helm.sh/resource-policy': 'keep' });
      }
    },
  },
  {
    title: 'names that are cut where a kind allows no more',
    values: { fullnameOverride: LONG, 'metrics.service.enabled': true },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal([LONG]);
      expect(find('Service').map(nameOf)).to.deep.equal([`${LONG.slice(0, 55)}-metrics`]);
    },
  },
  {
    title: 'nameOverride',
    values: { nameOverride: 'edge' },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal(['tunnels-edge']);
      expect(find('Deployment')[0].spec.selector.matchLabels['app.kubernetes.io/name']).to.equal('edge');
    },
  },
  {
    title: 'nameOverride that the release’s name contains',
    values: { nameOverride: 'tunnel' },
    check: (find) => expect(find('Deployment').map(nameOf)).to.deep.equal(['tunnels']),
  },
  {
    title: 'fullnameOverride',
    values: { fullnameOverride: 'edge' },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal(['edge']);
      expect(find('ServiceAccount').map(nameOf)).to.deep.equal(['edge']);
      expect(find('ClusterRole').map(nameOf)).to.include('edge-manager-role');
    },
  },
  {
    title: 'serviceAccount.annotations',
    values: { 'serviceAccount.annotations': { role: 'arn:edge' } },
    check: (find) =>
      expect(find('ServiceAccount')[0].metadata.annotations).to.deep.equal({ role: 'arn:edge' }),
  },
  {
    title: 'serviceAccount.create=false runs as an existing one',
    values: { 'serviceAccount.create': false, 'serviceAccount.name': 'mine' },
    check: (find) => {
      expect(find('ServiceAccount')).to.deep.equal([]);
      expect(pod(find).serviceAccountName).to.equal('mine');
      for (const { subjects } of find('ClusterRoleBinding')) expect(subjects[0].name).to.equal('mine');
    },
  },
  {
    title: 'rbac.create=false makes no roles',
    values: { 'rbac.create': false },
    check: (find) => {
      for (const kind of ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']) {
        expect(find(kind), kind).to.deep.equal([]);
      }
    },
  },
  {
    title: 'rbac.aggregate=false extends no ClusterRoles for people',
    values: { 'rbac.aggregate': false },
    check: (find) => expect(find('ClusterRole').map(nameOf)).to.deep.equal([`${NAME}-manager-role`]),
  },
  {
    title: 'watchNamespaces needs no ClusterRole of the manager’s',
    values: { watchNamespaces: ['shop', 'blog'], 'rbac.aggregate': false },
    check: (find) => {
      expect([...find('ClusterRole'), ...find('ClusterRoleBinding')]).to.deep.equal([]);
      const managers = find('Role').filter((role) => nameOf(role) === `${NAME}-manager-role`);
      expect(managers.map(({ metadata }) => metadata.namespace)).to.have.members(['shop', 'blog']);
      expect(find('Role').map(({ metadata }) => metadata.namespace)).not.to.include('kube-system');
      expect(container(find).args).to.include.members(['--watch-namespace=shop', '--watch-namespace=blog']);
    },
  },
  {
    title: 'leaderElection.enabled=false',
    values: { 'leaderElection.enabled': false },
    check: (find) => {
      expect(container(find).args.join()).not.to.contain('--leader-elect');
      expect(find('Role').map(nameOf).join()).not.to.contain('leader-election');
    },
  },
  flag(
    'leader election is in the release’s namespace',
    {},
    '--leader-elect',
    '--leader-election-namespace=rstream-system',
  ),
  {
    title: 'bind addresses move flags and ports together',
    values: { 'metrics.bindAddress': '127.0.0.1:9090', 'health.bindAddress': ':9091' },
    check: (find) => {
      expect(container(find).args).to.include.members([
        '--metrics-bind-address=127.0.0.1:9090',
        '--health-probe-bind-address=:9091',
      ]);
      expect(container(find).ports.map((port: Manifest) => port.containerPort)).to.deep.equal([9090, 9091]);
    },
  },
  flag('log', { log: { level: 'debug', format: 'text' } }, '--log-level=debug', '--log-format=text'),
  flag('crossNamespaceTargets', { crossNamespaceTargets: 'deny' }, '--cross-namespace-targets=deny'),
  flag(
    'switches',
    { allowExternalName: true, allowInsecureControlPlane: true },
    '--allow-external-name',
    '--allow-insecure-control-plane',
  ),
  flag(
    'allow-lists',
    {
      controlPlaneAllowCidrs: ['10.0.0.0/8', 'fd00::/8'],
      allowedEngines: ['*.example.com:443'],
      allowedAgentImages: ['example.com/*'],
    },
    '--control-plane-allow-cidr=10.0.0.0/8',
    '--control-plane-allow-cidr=fd00::/8',
    '--allowed-engines=*.example.com:443',
    '--allowed-agent-images=example.com/*',
  ),
  flag(
    'numbers as numbers, however large',
    { workers: 8, kubeApi: { qps: 1_000_000, burst: 2_000_000 } },
    '--workers=8',
    '--kube-api-qps=1000000',
    '--kube-api-burst=2000000',
  ),
  flag('clusterId with quotes and braces in it', { clusterId: 'a"b{{c}}' }, '--cluster-id=a"b{{c}}'),
  {
    title: 'metrics.service.enabled',
    values: { 'metrics.service.enabled': true },
    check: (find) => expect(find('Service').map(nameOf)).to.deep.equal([`${NAME}-metrics`]),
  },
  {
    title: 'monitors, with the labels by which Prometheus selects',
    values: {
      metrics: {
        serviceMonitor: { enabled: true },
        podMonitor: { enabled: true },
        interval: '10s',
        monitorLabels: { release: 'prometheus' },
      },
    },
    check: (find) => {
      expect(find('Service')).to.have.length(1);
      expect(find('ServiceMonitor')[0].spec.endpoints).to.deep.equal([{ port: 'metrics', interval: '10s' }]);
      expect(find('PodMonitor')[0].metadata.labels).to.include({ release: 'prometheus' });
    },
  },
  {
    title: 'metrics.dashboard.enabled',
    values: { 'metrics.dashboard.enabled': true },
    check: (find) => {
      const { metadata, data } = find('ConfigMap')[0];
      expect(metadata.labels).to.include({ grafana_dashboard: '1' });
      expect(JSON.parse(data['rstream-operator.json']).panels[0].targets[0].legendFormat).to.contain(
        '{{condition}}',
      );
    },
  },
  {
    title: 'networkPolicy opens what is said and nothing else',
    values: { networkPolicy: { enabled: true, egressCidrs: ['10.0.0.1/32'], egressPorts: [6443] } },
    check: (find) => {
      expect(find('NetworkPolicy')[0].spec.egress[1]).to.deep.equal({
        to: [{ ipBlock: { cidr: '10.0.0.1/32' } }],
        ports: [{ protocol: 'TCP', port: 6443 }],
      });
    },
  },
  {
    title: 'podDisruptionBudget.enabled',
    values: { 'podDisruptionBudget.enabled': true, replicaCount: 2 },
    check: (find) => expect(find('PodDisruptionBudget')[0].spec.maxUnavailable).to.equal(1),
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
  {
    title: 'say no more than their defaults when every default is given',
    values: Object.fromEntries(
      CHART_VALUES.filter(({ default: initial }) => initial !== null).map((value) => [
        value.path,
        value.default,
      ]),
    ),
    check: (find) => expect(find('Deployment').map(nameOf)).to.deep.equal([NAME]),
  },
];

export const REFUSED_VALUES = [
  {
    title: 'an unknown value',
    values: { replicas: 2 },
    message: "additional properties 'replicas' not allowed",
  },
  {
    title: 'a standby that nobody elects',
    values: { replicaCount: 2, leaderElection: { enabled: false } },
    message: 'leaderElection',
  },
  { title: 'a number that is text', values: { replicaCount: 'two' }, message: 'replicaCount' },
  {
    title: 'an unknown policy',
    values: { crossNamespaceTargets: 'maybe' },
    message: 'crossNamespaceTargets',
  },
  { title: 'a digest that is none', values: { 'image.digest': 'latest' }, message: 'digest' },
  { title: 'a bind address without a port', values: { 'metrics.bindAddress': '0' }, message: 'bindAddress' },
] as const;
