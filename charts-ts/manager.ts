// The manager's Deployment: flags from typed settings, Pod Security "restricted", probes, and the user's Pod fields laid on
// after synthesis.

import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import type { ManagerPodSettings, ManagerSettings } from './operator-props.ts';
import { isPresent, layOn, overlaysOf } from './overlay.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './pod-security.ts';

export const MANAGER_PORTS = { metrics: 8080, health: 8081 } as const;

export const MANAGER_RESOURCES = {
  requests: { cpu: '50m', memory: '128Mi' },
  limits: { memory: '512Mi' },
} as const;

export interface ManagerProps extends ManagerPodSettings, ManagerSettings {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Never changes for one installation: Kubernetes refuses another selector. */
  readonly selector: Readonly<Record<string, string>>;
  readonly image: string;
  readonly replicas: number;
}

/** The manager's command line, in a fixed order. */
export function managerArgs(
  props: ManagerSettings & { readonly image: string; readonly namespace: string },
): string[] {
  const elect = props.leaderElection ?? true;

  return [
    `--agent-image=${props.agentImage ?? props.image}`,
    ...(elect ? ['--leader-elect', `--leader-election-namespace=${props.namespace}`] : []),
    `--metrics-bind-address=:${MANAGER_PORTS.metrics}`,
    `--health-probe-bind-address=:${MANAGER_PORTS.health}`,
    ...flags('watch-namespace', props.watchNamespaces),
    ...flags('cluster-id', props.clusterId),
    ...flags('cross-namespace-targets', props.crossNamespaceTargets),
    ...(props.allowExternalName ? ['--allow-external-name'] : []),
    ...(props.allowInsecureControlPlane ? ['--allow-insecure-control-plane'] : []),
    ...flags('control-plane-allow-cidr', props.controlPlaneAllowCidrs),
    ...flags('allowed-engines', props.allowedEngines),
    ...flags('allowed-agent-images', props.allowedAgentImages),
    ...flags('workers', props.workers),
    ...flags('kube-api-qps', props.kubeApiQps),
    ...flags('kube-api-burst', props.kubeApiBurst),
    ...flags('log-level', props.logLevel),
  ];
}

/** The Deployment that runs the manager. */
export class Manager extends Construct {
  constructor(scope: Construct, id: string, props: ManagerProps) {
    super(scope, id);
    const deployment = new k8s.KubeDeployment(this, 'deployment', {
      metadata: { name: props.name, namespace: props.namespace, labels: props.labels },
      spec: {
        replicas: props.replicas,
        revisionHistoryLimit: 3,
        selector: { matchLabels: props.selector },
        template: { metadata: { labels: props.selector }, spec: managerPodSpec(props) },
      },
    });

    layOn(deployment, [
      ...overlaysOf(['spec', 'template', 'metadata'], {
        annotations: props.podAnnotations,
        labels: { ...props.podLabels, ...props.labels },
      }),
      ...overlaysOf(['spec', 'template', 'spec'], podFields(props)),
      ...overlaysOf(['spec', 'template', 'spec', 'containers', 0], {
        imagePullPolicy: props.imagePullPolicy ?? 'IfNotPresent',
        resources: isPresent(props.resources) ? props.resources : MANAGER_RESOURCES,
        securityContext: isPresent(props.containerSecurityContext)
          ? props.containerSecurityContext
          : RESTRICTED_CONTAINER,
      }),
    ]);
  }
}

function podFields(props: ManagerProps): Readonly<Record<string, unknown>> {
  const {
    nodeSelector,
    tolerations,
    affinity,
    topologySpreadConstraints,
    priorityClassName,
    imagePullSecrets,
  } = props;
  const securityContext = isPresent(props.securityContext) ? props.securityContext : RESTRICTED_POD;

  return {
    nodeSelector,
    tolerations,
    affinity,
    topologySpreadConstraints,
    priorityClassName,
    imagePullSecrets,
    securityContext,
    terminationGracePeriodSeconds: props.terminationGracePeriodSeconds ?? 30,
  };
}

function managerPodSpec(props: ManagerProps): k8s.PodSpec {
  return {
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    serviceAccountName: props.name,
    containers: [
      {
        name: 'manager',
        image: props.image,
        command: ['/rstream-manager'],
        args: managerArgs(props),
        ports: [
          { name: 'metrics', containerPort: MANAGER_PORTS.metrics },
          { name: 'health', containerPort: MANAGER_PORTS.health },
        ],
        livenessProbe: {
          httpGet: probe('/healthz'),
          periodSeconds: 20,
          timeoutSeconds: 5,
          failureThreshold: 3,
        },
        readinessProbe: {
          httpGet: probe('/readyz'),
          periodSeconds: 5,
          timeoutSeconds: 5,
          failureThreshold: 3,
        },
      },
    ],
  };
}

function probe(path: string): k8s.HttpGetAction {
  return { path, port: k8s.IntOrString.fromString('health') };
}

function flags(name: string, value: string | number | readonly string[] | undefined): string[] {
  if (!isPresent(value)) return [];
  return [value].flat().map((item) => `--${name}=${item}`);
}
