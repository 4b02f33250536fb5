// The files of dist/, as text: what a user applies. Pure and deterministic, so that a test can tell when dist/ is stale.

import { App, Chart, Yaml } from 'cdk8s';
import { Crds } from './crd.ts';
import { chartFiles } from './helm/chart.ts';
import { Operator } from './operator.ts';

const HEADER = '# Generated from charts-ts by `make generate`. Do not edit.\n';

const KUSTOMIZATION = {
  apiVersion: 'kustomize.config.k8s.io/v1beta1',
  kind: 'Kustomization',
  resources: ['crds.yaml', 'operator.yaml'],
};

/** Path under dist/ → content. */
export function distFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['crds.yaml', document(crds())],
    ['operator.yaml', document(operator())],
    // kubectl apply -f on a folder stumbles over a kustomization.yaml, and kustomize reads nothing outside its own folder.
    ['kustomize/crds.yaml', document(crds())],
    ['kustomize/operator.yaml', document(operator())],
    ['kustomize/kustomization.yaml', HEADER + Yaml.stringify(KUSTOMIZATION)],
    ...[...chartFiles()].map(([path, content]) => [`charts/rstream-operator/${path}`, content] as const),
  ]);
}

function crds(): readonly object[] {
  const chart = new Chart(new App(), 'crds');
  new Crds(chart, 'crds');
  return chart.toJson();
}

function operator(): readonly object[] {
  const chart = new Chart(new App(), 'operator');
  new Operator(chart, 'operator');
  return chart.toJson();
}

function document(manifests: readonly object[]): string {
  return HEADER + Yaml.stringify(...manifests);
}
