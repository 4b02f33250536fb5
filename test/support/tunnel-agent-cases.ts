// Good and bad values of an RstreamTunnel's spec.agent: every rule and every bound.

import { bad, good, type ManifestCase } from './manifest-cases.ts';

const tunnel = (fields: object): object => ({ target: { service: { name: 'web', port: 80 } }, ...fields });
const agent = (fields: object): object => tunnel({ agent: fields });
const tcp = (fields: object): object => tunnel({ protocol: 'tcp', ...fields });

const RESERVED =
  'app.kubernetes.io/name, app.kubernetes.io/instance, app.kubernetes.io/component, app.kubernetes.io/part-of, app.kubernetes.io/managed-by, rstream.io/tunnel-name, rstream.io/tunnel-namespace, rstream.io/tunnel-uid, rstream.io/config-hash';

export const tunnelAgentCases: readonly ManifestCase[] = [
  good(
    'agent',
    agent({
      image: 'registry.test/agent:1',
      replicas: 5,
      strategy: 'Recreate',
      resources: { requests: { cpu: '25m', memory: '64Mi' }, limits: { cpu: 1 } },
      podLabels: { team: 'a' },
      podAnnotations: { note: 'x' },
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'a', operator: 'Exists', tolerationSeconds: 5 }],
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } },
      },
      priorityClassName: 'high',
      imagePullPolicy: 'Always',
      imagePullSecrets: [{ name: 'pull' }],
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
      terminationGracePeriodSeconds: 0,
      logLevel: 'debug',
    }),
  ),
  good('two agents of a tcp tunnel with a port', tcp({ tcpPort: 80, agent: { replicas: 2 } })),
  bad('no replicas', agent({ replicas: 0 }), 'spec.agent.replicas', 'should be greater than or equal to 1'),
  bad('6 replicas', agent({ replicas: 6 }), 'spec.agent.replicas', 'should be less than or equal to 5'),
  bad('half a replica', agent({ replicas: 1.5 }), 'spec.agent.replicas', 'must be of type int32: "float64"'),
  bad(
    'two private agents',
    tunnel({ publish: false, agent: { replicas: 2 } }),
    'spec',
    'agent.replicas over 1 needs publish: true',
  ),
  bad(
    'two tcp agents',
    tcp({ agent: { replicas: 2 } }),
    'spec',
    'agent.replicas over 1 with protocol tcp needs tcpPort',
  ),
  bad(
    'strategy',
    agent({ strategy: 'RollingUpdate' }),
    'spec.agent.strategy',
    'supported values: "", "Handover", "Recreate"',
  ),
  bad(
    'pull policy',
    agent({ imagePullPolicy: 'Sometimes' }),
    'spec.agent.imagePullPolicy',
    'supported values: "", "Always", "IfNotPresent", "Never"',
  ),
  bad(
    'log level',
    agent({ logLevel: 'loud' }),
    'spec.agent.logLevel',
    'supported values: "", "trace", "debug", "info", "warn", "error"',
  ),
  bad(
    'grace period',
    agent({ terminationGracePeriodSeconds: -1 }),
    'spec.agent.terminationGracePeriodSeconds',
    'should be greater than or equal to 0',
  ),
  bad(
    'pull secret without name',
    agent({ imagePullSecrets: [{}] }),
    'spec.agent.imagePullSecrets[0].name',
    'Required value',
  ),
  bad(
    'quantity',
    agent({ resources: { limits: { cpu: 'lots' } } }),
    'spec.agent.resources.limits.cpu',
    'should match',
  ),
  ...RESERVED.split(', ').flatMap((key) => [
    bad(
      `label ${key}`,
      agent({ podLabels: { [key]: 'x' } }),
      'spec.agent.podLabels',
      `agent.podLabels must not contain keys that the operator sets: ${RESERVED}`,
    ),
    bad(
      `annotation ${key}`,
      agent({ podAnnotations: { [key]: 'x' } }),
      'spec.agent.podAnnotations',
      `agent.podAnnotations must not contain keys that the operator sets: ${RESERVED}`,
    ),
  ]),
];
