// The Operator construct, synthesized with Helm's expressions in place of settings. What is conditional in the construct is
// on here, and Helm's conditions decide instead.

import { ApiObject, App, Chart } from 'cdk8s';
import { Operator } from '../operator.ts';
import type { OperatorProps } from '../operator-props.ts';
import { layOn, type Overlay } from '../overlay.ts';
import { deploymentOverlays, portOf } from './deployment-template.ts';
import { AGENT_IMAGE, CHART_NAME, FULLNAME, IMAGE, SERVICE_ACCOUNT, suffixed } from './helpers.ts';
import { computed, guarded, splat, text, valueText } from './token.ts';

const SELECTOR = {
  'app.kubernetes.io/name': text(CHART_NAME),
  'app.kubernetes.io/instance': text('$.Release.Name'),
  'app.kubernetes.io/component': 'manager',
};

const LABELS = {
  'helm.sh/chart': text('printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63'),
  'app.kubernetes.io/version': text('$.Chart.AppVersion'),
  'app.kubernetes.io/managed-by': text('$.Release.Service'),
};

const PROPS: OperatorProps = {
  name: text(FULLNAME),
  namespace: text('$.Release.Namespace'),
  createNamespace: false,
  image: text(IMAGE),
  agentImage: text(AGENT_IMAGE),
  serviceAccount: {
    name: text(SERVICE_ACCOUNT),
    annotations: { [splat('serviceAccount.annotations')]: '' },
  },
  selector: SELECTOR,
  labels: { ...LABELS, [splat('commonLabels')]: '' },
  annotations: { [splat('commonAnnotations')]: '' },
  podLabels: { [splat('podLabels')]: '' },
  monitoring: {
    service: true,
    serviceName: text(suffixed('metrics')),
    serviceMonitor: true,
    podMonitor: true,
    dashboard: true,
    interval: valueText('metrics.interval'),
    monitorLabels: { [splat('metrics.monitorLabels')]: '' },
    dashboardLabels: { [splat('metrics.dashboard.labels')]: '' },
  },
  networkPolicy: {},
  podDisruptionBudget: true,
  proxy: {
    httpsProxy: valueText('proxy.httpsProxy'),
    httpProxy: valueText('proxy.httpProxy'),
    noProxy: valueText('proxy.noProxy'),
  },
  extraCa: { configMap: valueText('extraCa.configMap'), key: valueText('extraCa.key') },
};

/** One object of the chart and the condition or loop it stands under. */
export interface ChartObject {
  readonly manifest: object;
  readonly open?: string;
}

/** Everything but CRDs, in the order in which it is written. */
export function operatorObjects(): readonly ChartObject[] {
  const everywhere = synthesize({});
  const perNamespace = synthesize({ watchNamespaces: [text('.')] });
  const rights = `ternary $.Values.watchNamespaces list $.Values.rbac.create`;

  return [
    ...everywhere.map(({ path, manifest }) => {
      const condition = conditionOf(path);
      return { manifest, ...(condition ? { open: `if ${condition}` } : {}) };
    }),
    ...perNamespace
      .filter(({ path }) => path.startsWith('rights-'))
      .map(({ manifest }) => ({ manifest, open: `range ${rights}` })),
  ];
}

/** Path of a construct inside the operator → when it is part of the release. */
const CONDITIONS: readonly (readonly [prefix: string, condition: string])[] = [
  ['service-account', '$.Values.serviceAccount.create'],
  ['rights', 'and $.Values.rbac.create (not $.Values.watchNamespaces)'],
  ['cluster-identity', 'and $.Values.rbac.create (not $.Values.watchNamespaces)'],
  ['user-roles', 'and $.Values.rbac.create $.Values.rbac.aggregate'],
  ['leader-election', 'and $.Values.rbac.create $.Values.leaderElection.enabled'],
  ['monitoring/service-monitor', '$.Values.metrics.serviceMonitor.enabled'],
  ['monitoring/service', 'or $.Values.metrics.service.enabled $.Values.metrics.serviceMonitor.enabled'],
  ['monitoring/pod-monitor', '$.Values.metrics.podMonitor.enabled'],
  ['monitoring/dashboard', '$.Values.metrics.dashboard.enabled'],
  ['network', '$.Values.networkPolicy.enabled'],
  ['disruption-budget', '$.Values.podDisruptionBudget.enabled'],
];

function conditionOf(path: string): string | undefined {
  return CONDITIONS.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
}

function synthesize(props: OperatorProps): { path: string; manifest: object }[] {
  const chart = new Chart(new App(), 'operator');
  new Operator(chart, 'operator', { ...PROPS, ...props });

  return chart.node.findAll().flatMap((object) => {
    if (!ApiObject.isApiObject(object)) return [];
    layOn(object, overlaysFor(object.kind));
    return [{ path: object.node.path.replace('operator/operator/', ''), manifest: object.toJson() }];
  });
}

function overlaysFor(kind: string): readonly Overlay[] {
  if (kind === 'Deployment') return deploymentOverlays();
  return kind === 'NetworkPolicy' ? networkPolicyOverlays() : [];
}

function networkPolicyOverlays(): readonly Overlay[] {
  const cidrs = guarded('range $.Values.networkPolicy.egressCidrs', { ipBlock: { cidr: text('.') } });
  const ports = guarded('range $.Values.networkPolicy.egressPorts', { protocol: 'TCP', port: computed('.') });
  const own = [portOf('metrics'), portOf('health')].map((port) => ({ protocol: 'TCP', port }));

  return [
    { path: ['spec', 'ingress', 0, 'ports'], value: own },
    { path: ['spec', 'egress', 1], value: { to: [cidrs], ports: [ports] } },
  ];
}
