// A chart with the shape of the Go operator's 0.5.2, as far as an upgrade can notice: names, selector, values, and CRDs in
// crds/, where Helm installs them without marking them as its own.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { crdManifests } from '../../charts-ts/crd.ts';

const LABELS = {
  'app.kubernetes.io/name': '{{ .Chart.Name }}',
  'app.kubernetes.io/instance': '{{ .Release.Name }}',
  'app.kubernetes.io/component': 'manager',
};

const FULLNAME =
  '{{ if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}';

const OBJECTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: FULLNAME, labels: LABELS } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: `${FULLNAME}-manager-role`, labels: LABELS },
    rules: [{ apiGroups: ['tunnels.rstream.io'], resources: ['*'], verbs: ['*'] }],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `${FULLNAME}-manager-rolebinding`, labels: LABELS },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `${FULLNAME}-manager-role` },
    subjects: [{ kind: 'ServiceAccount', name: FULLNAME, namespace: '{{ .Release.Namespace }}' }],
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: FULLNAME, labels: LABELS },
    spec: {
      replicas: 1,
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: {
          serviceAccountName: FULLNAME,
          containers: [
            {
              name: 'manager',
              image: 'example.com/go-operator:v0.5.2',
              args: ['--leader-elect'],
              ports: [
                { name: 'metrics', containerPort: 8080 },
                { name: 'health', containerPort: 8081 },
              ],
            },
          ],
        },
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
    'values.yaml': stringify({ image: { repository: '', tag: '' } }),
    'crds/crds.yaml': olderCrds(),
    'templates/all.yaml': OBJECTS.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join(''),
  };

  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
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
