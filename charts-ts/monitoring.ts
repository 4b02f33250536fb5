// What Prometheus and Grafana need to see managers and agents. ServiceMonitor and PodMonitor belong to the Prometheus
// Operator: a cluster without it refuses them, so each is made only when asked for.

import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { dashboardJson } from './dashboard.ts';
import { MANAGER_PORTS } from './manager.ts';

type Labels = Readonly<Record<string, string>>;

export interface MonitoringSettings {
  /** A Service for the managers' metrics. @default false */
  readonly service?: boolean;
  /** Name of that Service. @default the operator's name and `-metrics` */
  readonly serviceName?: string;
  /** A ServiceMonitor for that Service, which it brings along. @default false */
  readonly serviceMonitor?: boolean;
  /** A PodMonitor for the agents of all namespaces. @default false */
  readonly podMonitor?: boolean;
  /** A Grafana dashboard in a ConfigMap. @default false */
  readonly dashboard?: boolean;
  /** How often Prometheus asks. @default 30s */
  readonly interval?: string;
  /** More labels for the monitors: Prometheus may select by them. */
  readonly monitorLabels?: Labels;
  /** Labels by which Grafana's sidecar finds dashboards. @default grafana_dashboard: "1" */
  readonly dashboardLabels?: Labels;
}

export interface MonitoringProps extends MonitoringSettings {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Labels;
  /** Labels of the managers' Pods. */
  readonly selector: Labels;
}

const MONITORING = 'monitoring.coreos.com/v1';

/** Labels of every agent's Pod, whatever its tunnel. */
const AGENT_SELECTOR = {
  'app.kubernetes.io/name': 'rstream-operator',
  'app.kubernetes.io/component': 'agent',
};

/** Metrics Service, monitors and dashboard, as far as they are asked for. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);

    if (props.service || props.serviceMonitor) this.#addService(props);
    if (props.serviceMonitor) this.#addServiceMonitor(props);
    if (props.podMonitor) this.#addPodMonitor(props);
    if (props.dashboard) this.#addDashboard(props);
  }

  #addService({ name, namespace, labels, selector, serviceName }: MonitoringProps): void {
    new k8s.KubeService(this, 'service', {
      metadata: { name: serviceName ?? `${name}-metrics`, namespace, labels },
      spec: {
        selector,
        ports: [
          { name: 'metrics', port: MANAGER_PORTS.metrics, targetPort: k8s.IntOrString.fromString('metrics') },
        ],
      },
    });
  }

  #addServiceMonitor(props: MonitoringProps): void {
    const { name, namespace, interval = '30s' } = props;

    new ApiObject(this, 'service-monitor', {
      apiVersion: MONITORING,
      kind: 'ServiceMonitor',
      metadata: { name, namespace, labels: { ...props.monitorLabels, ...props.labels } },
      spec: { selector: { matchLabels: props.selector }, endpoints: [{ port: 'metrics', interval }] },
    });
  }

  #addPodMonitor(props: MonitoringProps): void {
    const { name, namespace, interval = '30s' } = props;

    new ApiObject(this, 'pod-monitor', {
      apiVersion: MONITORING,
      kind: 'PodMonitor',
      metadata: { name: `${name}-agents`, namespace, labels: { ...props.monitorLabels, ...props.labels } },
      spec: {
        namespaceSelector: { any: true },
        selector: { matchLabels: AGENT_SELECTOR },
        podTargetLabels: ['rstream.io/tunnel-name'],
        podMetricsEndpoints: [{ port: 'health', interval }],
      },
    });
  }

  #addDashboard({ name, namespace, labels, dashboardLabels }: MonitoringProps): void {
    const found = dashboardLabels ?? { grafana_dashboard: '1' };

    new k8s.KubeConfigMap(this, 'dashboard', {
      metadata: { name: `${name}-dashboard`, namespace, labels: { ...found, ...labels } },
      data: { 'rstream-operator.json': dashboardJson() },
    });
  }
}
