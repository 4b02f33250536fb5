// Schema of spec.agent of an RstreamTunnel: how the Pods that carry the tunnel run.

import { CHILD_LABEL, CONFIG_HASH_ANNOTATION } from '../../src/api/names.ts';
import {
  choice,
  described,
  integer,
  list,
  MAX,
  map,
  object,
  rule,
  type Schema,
  text,
} from './json-schema.ts';
import { Affinity, ResourceRequirements, Toleration, TopologySpreadConstraint } from './kubernetes.ts';

/** Keys of the agent's labels and annotations that the operator sets itself. */
const RESERVED_KEYS: readonly string[] = [...Object.values(CHILD_LABEL), CONFIG_HASH_ANNOTATION];

const metadataValue: Schema = { type: 'string', maxLength: MAX.text };

function podMetadata(field: string, what: string): Schema {
  return map(
    `More ${what} for the agent's Pods. Those that the operator sets itself are refused.`,
    field === 'podAnnotations' ? { type: 'string', maxLength: 65_536 } : metadataValue,
    {
      'x-kubernetes-validations': [
        rule<Record<string, string>>(
          `!${JSON.stringify(RESERVED_KEYS)}.exists(key, key in self)`,
          `agent.${field} must not contain keys that the operator sets: ${RESERVED_KEYS.join(', ')}`,
          (self) => !RESERVED_KEYS.some((key) => Object.hasOwn(self, key)),
        ),
      ],
    },
  );
}

const imagePullSecret = object(
  'A Secret in the namespace of the tunnel.',
  { name: text('Name of the Secret.', { minLength: 1 }) },
  { title: 'ImagePullSecret', required: ['name'], 'x-kubernetes-map-type': 'atomic' },
);

export const agent: Schema = object(
  'How the Pods that carry the tunnel run.',
  {
    image: text("Image of the agent. Default: the manager's --agent-image.", { maxLength: MAX.text }),
    replicas: integer(
      'Number of agents. One owns the tunnel, the others stand by to take over. More than 1 is refused where nothing can be the lock: publish false, and tcp without tcpPort.',
      1,
      5,
      { default: 1 },
    ),
    strategy: choice(
      'How a new agent replaces an old one. Handover: the new one is ready before the old one stops. Recreate: the old one stops first. Default: Handover; Recreate when image is set, and for private tunnels, tcp without tcpPort and tunnels without a stable hostname.',
      ['Handover', 'Recreate'],
    ),
    resources: described(
      ResourceRequirements,
      'Compute resources of the agent. Default: requests cpu 25m and memory 64Mi, limit memory 256Mi.',
    ),
    podLabels: podMetadata('podLabels', 'labels'),
    podAnnotations: podMetadata('podAnnotations', 'annotations'),
    nodeSelector: map('Labels that a node must have to run the agent.', metadataValue),
    tolerations: list('Taints that the agent tolerates.', Toleration),
    affinity: described(Affinity, 'Scheduling constraints of the agent.'),
    priorityClassName: text('Priority class of the agent.'),
    imagePullPolicy: choice('When the image is pulled.', ['Always', 'IfNotPresent', 'Never']),
    imagePullSecrets: list('Secrets for pulling the image.', imagePullSecret),
    topologySpreadConstraints: list(
      'How agents spread over the cluster. Default with more than one replica: over nodes, where possible.',
      TopologySpreadConstraint,
    ),
    terminationGracePeriodSeconds: {
      description: 'Seconds an agent has to finish its streams once it is told to stop.',
      type: 'integer',
      format: 'int64',
      minimum: 0,
      default: 30,
    },
    logLevel: choice('How much the agent logs. Default: info.', ['trace', 'debug', 'info', 'warn', 'error']),
  },
  { title: 'AgentSettings' },
);
