// The CRDs in the chart. They are templates, because Helm never upgrades a chart's crds/ folder, and they stay on uninstall,
// because every connection and tunnel would go with them. CRDs that came without Helm are taken over by a hook.

import { App, Chart } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { crdManifests } from '../crd.ts';
import { layOn } from '../overlay.ts';
import { podOverlays } from './deployment-template.ts';
import { foundCrd, IMAGE, ownsCrd, suffixed } from './helpers.ts';
import type { ChartObject } from './operator-template.ts';
import { splat, text } from './token.ts';

const NAME = text(suffixed('crds'));
const NAMESPACE = text('$.Release.Namespace');

const LABELS = {
  'app.kubernetes.io/managed-by': text('$.Release.Service'),
  [splat('commonLabels')]: '',
};

/** The CRDs, each as far as this release may write it. */
export function crdObjects(): readonly ChartObject[] {
  const annotations = { 'helm.sh/resource-policy': 'keep', [splat('commonAnnotations')]: '' };

  return crdManifests().map((manifest) => ({
    manifest: { ...manifest, metadata: { ...manifest.metadata, annotations, labels: LABELS } },
    open: `if and $.Values.installCRDs (${ownsCrd(manifest.metadata.name)})`,
  }));
}

/** A hook that applies the CRDs as this release's own, once, when they are there without an owner. */
export function takeoverObjects(): readonly ChartObject[] {
  const chart = new Chart(new App(), 'takeover');
  new CrdTakeover(chart, 'takeover');
  const found = crdManifests().map(({ metadata }) => `(${foundCrd(metadata.name)})`);

  return chart.toJson().map((manifest: object) => ({
    manifest,
    open: `if and $.Values.installCRDs (or ${found.join(' ')})`,
  }));
}

/** Who may take the CRDs over, and the Job that does it. Nothing of it stays. */
class CrdTakeover extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    const subject = { kind: 'ServiceAccount', name: NAME, namespace: NAMESPACE };

    new k8s.KubeServiceAccount(this, 'service-account', { metadata: { ...hook(1), namespace: NAMESPACE } });
    new k8s.KubeClusterRole(this, 'role', {
      metadata: hook(1),
      rules: [
        {
          apiGroups: ['apiextensions.k8s.io'],
          resources: ['customresourcedefinitions'],
          resourceNames: crdManifests().map(({ metadata }) => metadata.name),
          verbs: ['get', 'patch'],
        },
      ],
    });
    new k8s.KubeClusterRoleBinding(this, 'binding', {
      metadata: hook(1),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
      subjects: [subject],
    });
    const job = new k8s.KubeJob(this, 'job', {
      metadata: { ...hook(2), namespace: NAMESPACE },
      spec: { backoffLimit: 6, activeDeadlineSeconds: 240, template: { spec: takeoverPod() } },
    });
    layOn(job, podOverlays());
  }
}

function hook(weight: number): {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
} {
  return {
    name: NAME,
    labels: LABELS,
    annotations: {
      [splat('commonAnnotations')]: '',
      'helm.sh/hook': 'pre-install,pre-upgrade',
      'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
      'helm.sh/hook-weight': String(weight),
    },
  };
}

function takeoverPod(): k8s.PodSpec {
  return {
    serviceAccountName: NAME,
    restartPolicy: 'OnFailure',
    enableServiceLinks: false,
    containers: [
      {
        name: 'take-over-crds',
        image: text(IMAGE),
        command: ['/rstream-manager', 'take-over-crds'],
        args: [`--release=${text('$.Release.Name')}`, `--release-namespace=${NAMESPACE}`],
      },
    ],
  };
}
