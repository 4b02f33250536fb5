// The Helm chart as files: templates from the constructs, values, schema, notes and a README, all from one definition each.

import { stringify } from 'yaml';
import { OPERATOR_VERSION } from '../../src/common/version.ts';
import { crdObjects, takeoverObjects } from './crd-template.ts';
import { HELPERS } from './helpers.ts';
import { type ChartObject, operatorObjects } from './operator-template.ts';
import { helmDocument } from './template.ts';
import { CHART_README, NOTES } from './texts.ts';
import { valuesSchema, valuesTable, valuesYaml } from './values-files.ts';

const HEADER = 'Generated from charts-ts by `make generate`. Do not edit.';

/** Path inside the chart → content. */
export function chartFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['Chart.yaml', `# ${HEADER}\n${chartYaml()}`],
    ['README.md', CHART_README.replace('VALUES_TABLE', valuesTable())],
    ['values.yaml', `# ${HEADER}\n\n${valuesYaml()}`],
    ['values.schema.json', valuesSchema()],
    ['templates/NOTES.txt', NOTES],
    ['templates/_helpers.tpl', HELPERS],
    ['templates/crds.yaml', template(crdObjects())],
    ['templates/crd-takeover.yaml', template(takeoverObjects())],
    ['templates/operator.yaml', template(operatorObjects())],
  ]);
}

function template(objects: readonly ChartObject[]): string {
  return `{{- /* ${HEADER} */}}\n${objects.map(({ manifest, open }) => helmDocument(manifest, open)).join('')}`;
}

function chartYaml(): string {
  return stringify({
    apiVersion: 'v2',
    name: 'rstream-operator',
    description: 'Exposes Kubernetes Services through rstream tunnels',
    type: 'application',
    version: OPERATOR_VERSION,
    appVersion: OPERATOR_VERSION,
    kubeVersion: '>=1.28.0-0',
    keywords: ['rstream', 'tunnel', 'ingress', 'operator'],
  });
}
