// The chart's values, each described once: values.yaml, values.schema.json and the table in its README come from here.
// Names and meanings of the values that rstream's Go operator's chart has are kept.

import { IMAGE_REPOSITORY } from '../image.ts';
import { MANAGER_RESOURCES } from '../manager.ts';
import { EGRESS_CIDRS, EGRESS_PORTS } from '../network-policy.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from '../pod-security.ts';

/** One value: where it is, what it is unless the user says otherwise, and what it means. */
export interface ChartValue {
  readonly path: string;
  readonly default: unknown;
  readonly description: string;
  /** JSON Schema keywords; the type follows from the default where they name none. */
  readonly schema?: Readonly<Record<string, unknown>>;
}

const STRINGS = { items: { type: 'string' } };
const OBJECTS = { items: { type: 'object' } };
const STRING_MAP = { additionalProperties: { type: 'string' } };
const LISTEN_ADDRESS = { pattern: '^[^\\s]*:[0-9]{1,5}$' };
const OPTIONAL_NUMBER = { type: ['integer', 'null'], minimum: 1 };

function value(path: string, initial: unknown, description: string, schema?: object): ChartValue {
  return { path, default: initial, description, ...(schema ? { schema: { ...schema } } : {}) };
}

export const CHART_VALUES: readonly ChartValue[] = [
  value('replicaCount', 1, 'Managers; over one, the others stand by.', { minimum: 0 }),
  value(
    'image.repository',
    IMAGE_REPOSITORY,
    'Image of the manager, and of the agents unless agent.image is set.',
  ),
  value('image.tag', '', "Tag of the image; empty = the chart's appVersion."),
  value('image.digest', '', 'Digest (sha256:…) of the image; wins over the tag.', {
    pattern: '^(sha256:[0-9a-f]{64})?$',
  }),
  value('image.pullPolicy', 'IfNotPresent', 'When the image is pulled.', {
    enum: ['Always', 'IfNotPresent', 'Never'],
  }),
  value('imagePullSecrets', [], 'Secrets for pulling the image: a list of {name}.', OBJECTS),
  value('agent.image.repository', '', "Image of the agents; empty = the manager's."),
  value('agent.image.tag', '', "Tag of the agents' image; empty = the manager's tag."),
  value('agent.image.digest', '', "Digest of the agents' image; wins over the tag.", {
    pattern: '^(sha256:[0-9a-f]{64})?$',
  }),
  value('nameOverride', '', 'Replaces the name of the chart in names and labels.', { maxLength: 63 }),
  value('fullnameOverride', '', 'Replaces the whole name of the Deployment and the ServiceAccount.', {
    maxLength: 63,
  }),
  value('commonLabels', {}, 'Labels for every object.', STRING_MAP),
  value('commonAnnotations', {}, 'Annotations for every object.', STRING_MAP),
  value(
    'installCRDs',
    true,
    'Whether CRDs are installed, upgraded and, if need be, taken over. They stay on uninstall.',
  ),
  value('serviceAccount.create', true, 'Whether a ServiceAccount is made.'),
  value(
    'serviceAccount.name',
    '',
    'Name of the ServiceAccount; empty = the full name, or `default` when none is made.',
  ),
  value('serviceAccount.annotations', {}, 'Annotations of the ServiceAccount.', STRING_MAP),
  value('rbac.create', true, 'Whether roles and bindings are made.'),
  value('rbac.aggregate', true, 'Whether ClusterRoles are made that extend view, edit and admin.'),
  value(
    'watchNamespaces',
    [],
    'Namespaces whose tunnels are run, with no rights elsewhere; empty = all.',
    STRINGS,
  ),
  value('leaderElection.enabled', true, 'Whether managers elect a leader; needed with more than one.'),
  value('metrics.bindAddress', ':8080', 'Where metrics are served.', LISTEN_ADDRESS),
  value('metrics.service.enabled', false, 'A Service for the metrics.'),
  value('metrics.serviceMonitor.enabled', false, 'A ServiceMonitor (Prometheus Operator) and its Service.'),
  value('metrics.podMonitor.enabled', false, 'A PodMonitor for the agents of all namespaces.'),
  value('metrics.interval', '30s', 'How often Prometheus asks.'),
  value('metrics.monitorLabels', {}, 'More labels for ServiceMonitor and PodMonitor.', STRING_MAP),
  value('metrics.dashboard.enabled', false, 'A Grafana dashboard in a ConfigMap.'),
  value(
    'metrics.dashboard.labels',
    { grafana_dashboard: '1' },
    "Labels by which Grafana's sidecar finds it.",
    STRING_MAP,
  ),
  value('health.bindAddress', ':8081', 'Where probes are answered.', LISTEN_ADDRESS),
  value('log.level', 'info', 'How much the manager says.', {
    enum: ['debug', 'info', 'warn', 'error'],
  }),
  value('log.format', 'json', 'Lines of JSON, or for people.', { enum: ['json', 'text'] }),
  value('clusterId', '', 'Part of generated hostnames; empty = the UID of namespace kube-system.'),
  value(
    'crossNamespaceTargets',
    'grant',
    'Tunnels to Services of other namespaces: with a ReferenceGrant, always, never.',
    {
      enum: ['grant', 'allow', 'deny'],
    },
  ),
  value('allowExternalName', false, 'Whether tunnels may lead to ExternalName Services.'),
  value('allowInsecureControlPlane', false, 'Whether control planes may be asked over plain http.'),
  value('controlPlaneAllowCidrs', [], 'Private address ranges in which control planes may live.', STRINGS),
  value('allowedEngines', [], 'Patterns of engines that connections may name; empty = any.', STRINGS),
  value('allowedAgentImages', [], 'Patterns of agent images that tunnels may name; empty = any.', STRINGS),
  value(
    'workers',
    null,
    "How many objects are reconciled at once; empty = the manager's default.",
    OPTIONAL_NUMBER,
  ),
  value(
    'kubeApi.qps',
    null,
    "Requests per second to the API server; empty = the manager's default.",
    OPTIONAL_NUMBER,
  ),
  value(
    'kubeApi.burst',
    null,
    "How many of them may come at once; empty = the manager's default.",
    OPTIONAL_NUMBER,
  ),
  value('proxy.httpsProxy', '', 'Proxy for https requests to control planes.'),
  value('proxy.httpProxy', '', 'Proxy for http requests to control planes.'),
  value(
    'proxy.noProxy',
    '',
    'Hosts that are asked without a proxy: names, .suffixes, addresses, with commas between them.',
  ),
  value('extraCa.configMap', '', 'ConfigMap with more certificate authorities to trust, PEM.'),
  value('extraCa.key', 'ca.crt', 'Its key.', { minLength: 1 }),
  value('resources', MANAGER_RESOURCES, "The manager's resources."),
  value('nodeSelector', {}, 'Nodes on which the manager may run.', STRING_MAP),
  value('tolerations', [], 'Taints that the manager tolerates.', OBJECTS),
  value('affinity', {}, 'Affinity of the manager.'),
  value('topologySpreadConstraints', [], 'How managers spread.', OBJECTS),
  value('priorityClassName', '', 'Priority class of the manager.'),
  value('podAnnotations', {}, "Annotations of the manager's Pods.", STRING_MAP),
  value('podLabels', {}, "Labels of the manager's Pods.", STRING_MAP),
  value('securityContext', RESTRICTED_POD, "Security context of the manager's Pods."),
  value('containerSecurityContext', RESTRICTED_CONTAINER, "Security context of the manager's container."),
  value('terminationGracePeriodSeconds', 30, 'How long a manager may take to leave.', { minimum: 0 }),
  value('podDisruptionBudget.enabled', false, 'A PodDisruptionBudget; of use with more than one manager.'),
  value('networkPolicy.enabled', false, 'A NetworkPolicy for the manager.'),
  value(
    'networkPolicy.egressCidrs',
    EGRESS_CIDRS,
    'Address ranges of the API server and of control planes.',
    {
      ...STRINGS,
      minItems: 1,
    },
  ),
  value('networkPolicy.egressPorts', EGRESS_PORTS, 'Their TCP ports.', {
    items: { type: 'integer', minimum: 1, maximum: 65_535 },
    minItems: 1,
  }),
];

/** The value that stands for a setting of the manager, where the names differ. */
export const SETTING_VALUES: Readonly<Record<string, string>> = {
  logLevel: 'log.level',
  logFormat: 'log.format',
  kubeApiQps: 'kubeApi.qps',
  kubeApiBurst: 'kubeApi.burst',
};

/** Finds a value by its path; a typing error in the chart fails here, not in somebody's cluster. */
export function chartValue(path: string): ChartValue {
  const found = CHART_VALUES.find((candidate) => candidate.path === path);
  if (!found) throw new RangeError(`the chart has no value ${path}`);
  return found;
}
