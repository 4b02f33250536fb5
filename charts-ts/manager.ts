// The manager's Deployment: flags from typed settings, Pod Security "restricted", probes, and the user's Pod fields laid on
// after synthesis.

import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import type { ManagerNetworkSettings, ManagerPodSettings, ManagerSettings } from './operator-props.ts';
import { isPresent, layOn, overlaysOf } from './overlay.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './pod-security.ts';

export const MANAGER_PORTS = { metrics: 8080, health: 8081 } as const;

const CA_FOLDER = '/etc/rstream-operator/ca';

/** `make bench` measures some 150 MiB with a thousand tunnels, and next to no CPU once they are Ready. */
export const MANAGER_RESOURCES = {
  requests: { cpu: '50m', memory: '256Mi' },
  limits: { memory: '512Mi' },
} as const;

export interface ManagerProps extends ManagerPodSettings, ManagerSettings, ManagerNetworkSettings {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Never changes for one installation: Kubernetes refuses another selector. */
  readonly selector: Readonly<Record<string, string>>;
  readonly image: string;
  readonly replicas: number;
  readonly serviceAccountName: string;
}

/** Which flag says which setting: a list says it once per item, a true switch without a value. */
export const MANAGER_FLAGS = [
  ['watch-namespace', 'watchNamespaces'],
  ['cluster-id', 'clusterId'],
  ['cross-namespace-targets', 'crossNamespaceTargets'],
  ['allow-external-name', 'allowExternalName'],
  ['allow-insecure-control-plane', 'allowInsecureControlPlane'],
  ['control-plane-allow-cidr', 'controlPlaneAllowCidrs'],
  ['allowed-engines', 'allowedEngines'],
  ['allowed-agent-images', 'allowedAgentImages'],
  ['workers', 'workers'],
  ['kube-api-qps', 'kubeApiQps'],
  ['kube-api-burst', 'kubeApiBurst'],
  ['log-level', 'logLevel'],
  ['log-format', 'logFormat'],
] as const satisfies readonly (readonly [flag: string, setting: keyof ManagerSettings])[];

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
    ...MANAGER_FLAGS.flatMap(([flag, setting]) => argsOf(flag, props[setting])),
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
    serviceAccountName: props.serviceAccountName,
    ...(props.extraCa ? { volumes: [caVolume(props.extraCa.configMap, props.extraCa.key)] } : {}),
    containers: [
      {
        name: 'manager',
        image: props.image,
        command: ['/rstream-manager'],
        args: managerArgs(props),
        ...environment(props),
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
        ...(props.extraCa ? { volumeMounts: [{ name: 'ca', mountPath: CA_FOLDER, readOnly: true }] } : {}),
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

/** With none of these set the container has no environment of its own. */
function environment({ proxy, extraCa }: ManagerNetworkSettings): { env?: k8s.EnvVar[] } {
  const variables = {
    HTTPS_PROXY: proxy?.httpsProxy,
    HTTP_PROXY: proxy?.httpProxy,
    NO_PROXY: proxy?.noProxy,
    NODE_EXTRA_CA_CERTS: extraCa && `${CA_FOLDER}/ca.crt`,
  };
  const env = Object.entries(variables).flatMap(([name, value]) => (value ? [{ name, value }] : []));

  return env.length > 0 ? { env } : {};
}

function caVolume(configMap: string, key: string): k8s.Volume {
  return { name: 'ca', configMap: { name: configMap, items: [{ key, path: 'ca.crt' }] } };
}

function probe(path: string): k8s.HttpGetAction {
  return { path, port: k8s.IntOrString.fromString('health') };
}

function argsOf(flag: string, value: boolean | string | number | readonly string[] | undefined): string[] {
  if (!isPresent(value) || value === false) return [];
  return value === true ? [`--${flag}`] : [value].flat().map((item) => `--${flag}=${item}`);
}
