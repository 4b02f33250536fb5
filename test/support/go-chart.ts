// A chart with the shape of the Go operator's 0.5.2, as far as an upgrade can notice: names, selector, values, and CRDs in
// crds/, where Helm installs them without marking them as its own.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { crdManifests } from '../../charts-ts/crd.ts';

/** Values of that chart, the ones of ours that keep its names, with its defaults. */
export const GO_VALUES = {
  replicaCount: 1,
  image: { repository: 'example.com/go-operator', tag: 'v0.5.2', pullPolicy: 'IfNotPresent' },
  agent: { image: { repository: '', tag: '' } },
  imagePullSecrets: [],
  nameOverride: '',
  fullnameOverride: '',
  leaderElection: { enabled: true },
  metrics: { bindAddress: ':8080' },
  health: { bindAddress: ':8081' },
  resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
  nodeSelector: {},
  tolerations: [],
  affinity: {},
  podAnnotations: {},
  podLabels: {},
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containerSecurityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
  },
  installCRDs: true,
};

const FULLNAME =
  '{{ if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}';

const SELECTOR = {
  'app.kubernetes.io/name': '{{ .Chart.Name }}',
  'app.kubernetes.io/instance': '{{ .Release.Name }}',
  'app.kubernetes.io/component': 'manager',
};
const LABELS = { ...SELECTOR, 'app.kubernetes.io/managed-by': '{{ .Release.Service }}' };

const ACCOUNT = { kind: 'ServiceAccount', name: FULLNAME, namespace: '{{ .Release.Namespace }}' };

/** A value of any type, in its place. */
const value = (path: string) => `{{ toJson .Values.${path} }}`;

/** A role of the old operator and its binding; what it may do matters to nobody once it is gone. */
function grant(scope: '' | 'Cluster', role: string, binding: string, rule: object): object[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const roleRef = {
    apiGroup: 'rbac.authorization.k8s.io',
    kind: `${scope}Role`,
    name: `${FULLNAME}-${role}`,
  };

  return [
    {
      apiVersion,
      kind: roleRef.kind,
      metadata: { name: roleRef.name, labels: LABELS },
      rules: [rule],
    },
    {
      apiVersion,
      kind: `${scope}RoleBinding`,
      metadata: { name: `${FULLNAME}-${binding}`, labels: LABELS },
      roleRef,
      subjects: [ACCOUNT],
    },
  ];
}

const POD = {
  serviceAccountName: FULLNAME,
  imagePullSecrets: value('imagePullSecrets'),
  securityContext: value('securityContext'),
  nodeSelector: value('nodeSelector'),
  tolerations: value('tolerations'),
  affinity: value('affinity'),
  containers: [
    {
      name: 'manager',
      image: '{{ .Values.image.repository }}:{{ .Values.image.tag }}',
      imagePullPolicy: value('image.pullPolicy'),
      args: [
        '--leader-elect',
        '--metrics-bind-address={{ .Values.metrics.bindAddress }}',
        '--health-probe-bind-address={{ .Values.health.bindAddress }}',
        '--agent-image={{ .Values.image.repository }}:{{ .Values.image.tag }}',
      ],
      ports: [
        { name: 'metrics', containerPort: 8080, protocol: 'TCP' },
        { name: 'health', containerPort: 8081, protocol: 'TCP' },
      ],
      readinessProbe: { httpGet: { path: '/readyz', port: 'health' }, initialDelaySeconds: 1 },
      resources: value('resources'),
      securityContext: value('containerSecurityContext'),
    },
  ],
};

const OBJECTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: FULLNAME, labels: LABELS } },
  ...grant('Cluster', 'manager-role', 'manager-rolebinding', {
    apiGroups: ['', 'apps', 'rbac.authorization.k8s.io', 'tunnels.rstream.io'],
    resources: ['*'],
    verbs: ['get', 'list', 'watch'],
  }),
  ...grant('', 'leader-election-role', 'leader-election-rolebinding', {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
  }),
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: FULLNAME, labels: LABELS },
    spec: {
      replicas: value('replicaCount'),
      selector: { matchLabels: SELECTOR },
      template: {
        metadata: { annotations: value('podAnnotations'), labels: SELECTOR },
        spec: POD,
      },
    },
  },
];

/** Writes the chart and returns its folder. Its CRDs are ours without `suspend`, a field that Go's does not have. */
export function writeGoChart(): string {
  const folder = mkdtempSync(join(tmpdir(), 'go-chart-'));
  const chart = { apiVersion: 'v2', name: 'rstream-operator', version: '0.5.2', appVersion: 'v0.5.2' };
  const files = {
    'Chart.yaml': stringify(chart),
    'values.yaml': stringify(GO_VALUES),
    'crds/crds.yaml': olderCrds(),
    'templates/all.yaml': OBJECTS.map((object) => `---\n${template(object)}`).join(''),
  };

  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

/** A value keeps its type only without the quotes that YAML puts around its expression. */
function template(object: object): string {
  const yaml = stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
  return yaml.replaceAll(/"(\{\{ toJson [\w.]+ \}\})"/g, '$1');
}

/** Our CRDs as an earlier release may have had them. */
export function olderCrds(): string {
  const documents = crdManifests().map((manifest) =>
    stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  return withoutSuspend(documents.map((document) => `---\n${document}`).join(''));
}

/** The same YAML without the field `spec.suspend` of a tunnel. */
export function withoutSuspend(crds: string): string {
  return crds.replace(/^( +)suspend:\n(?:\1 .*\n)+/m, '');
}
