// The files of dist/, as text: what a user applies. Pure and deterministic, so that a test can tell when dist/ is stale.

import { App, Chart, Yaml } from 'cdk8s';
import { Crds } from './crd.ts';
import { Operator } from './operator.ts';

const HEADER = '# Generated from charts-ts by `make generate`. Do not edit.\n';

/** Path under dist/ → content. */
export function distFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['crds.yaml', document(crds())],
    ['operator.yaml', document(operator())],
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
