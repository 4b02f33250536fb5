// The Pod of one agent, as Pod Security "restricted" wants it: command, environment, probes and mounted files. References
// to Secrets only; no secret value passes through here.

import { k8s } from 'cdk8s-plus-28';
import type { ChildNames } from '../src/api/names.ts';
import type { AgentSecrets, SecretKeyRef, TunnelAgentProps } from './agent-props.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './pod-security.ts';

/** Where the agent finds the files that the manager's configuration refers to. */
const AGENT_PATHS = {
  config: '/etc/rstream-agent',
  mtls: '/var/run/rstream/mtls',
  tls: '/var/run/rstream/tls',
} as const;

export const AGENT_CONTAINER = 'agent';

export const AGENT_RESOURCES = {
  requests: { cpu: '25m', memory: '64Mi' },
  limits: { memory: '256Mi' },
} as const;

const HEALTH_PORT = 8081;

/** The Pod's spec without the user's own settings, which are laid on after synthesis. */
export function agentPodSpec(props: TunnelAgentProps, names: ChildNames): k8s.PodSpec {
  const files = secretFiles(props.secrets);

  return {
    automountServiceAccountToken: true,
    containers: [agentContainer(props, files)],
    enableServiceLinks: false,
    securityContext: RESTRICTED_POD,
    serviceAccountName: names.base,
    terminationGracePeriodSeconds: 30,
    volumes: [{ name: 'config', configMap: { name: names.config } }, ...files.map(({ volume }) => volume)],
  };
}

function agentContainer(props: TunnelAgentProps, files: readonly SecretFiles[]): k8s.Container {
  return {
    name: AGENT_CONTAINER,
    image: props.image,
    command: ['/rstream-agent'],
    args: [`--config=${AGENT_PATHS.config}/config.yaml`, `--health-bind-address=:${HEALTH_PORT}`],
    env: environment(props.secrets),
    ports: [{ name: 'health', containerPort: HEALTH_PORT }],
    livenessProbe: {
      httpGet: httpGet('/healthz'),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    readinessProbe: { httpGet: httpGet('/readyz'), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3 },
    securityContext: RESTRICTED_CONTAINER,
    volumeMounts: [
      { name: 'config', mountPath: AGENT_PATHS.config, readOnly: true },
      ...files.map(({ volume, mountPath }) => ({ name: volume.name, mountPath, readOnly: true })),
    ],
  };
}

function httpGet(path: string): k8s.HttpGetAction {
  return { path, port: k8s.IntOrString.fromString('health') };
}

function environment({ token, proxy }: AgentSecrets): k8s.EnvVar[] {
  return [
    ...(token ? [fromSecret('RSTREAM_AUTHENTICATION_TOKEN', token)] : []),
    ...(proxy
      ? [
          fromSecret('RSTREAM_PROXY_USERNAME', proxy.username),
          fromSecret('RSTREAM_PROXY_PASSWORD', proxy.password),
        ]
      : []),
    fromField('RSTREAM_AGENT_POD_NAME', 'metadata.name'),
    fromField('RSTREAM_AGENT_POD_NAMESPACE', 'metadata.namespace'),
  ];
}

function fromSecret(name: string, ref: SecretKeyRef): k8s.EnvVar {
  return { name, valueFrom: { secretKeyRef: { name: ref.name, key: ref.key } } };
}

function fromField(name: string, fieldPath: string): k8s.EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

interface SecretFiles {
  readonly mountPath: string;
  readonly volume: k8s.Volume;
}

/** The user's Secrets name their keys as they like; the agent finds each under a fixed file name. */
function secretFiles({ mtls, tlsCa }: AgentSecrets): SecretFiles[] {
  return [
    ...(mtls ? [projected('mtls', { 'tls.crt': mtls.cert, 'tls.key': mtls.key, 'ca.crt': mtls.ca })] : []),
    ...(tlsCa ? [projected('tls', { 'ca.crt': tlsCa })] : []),
  ];
}

function projected(name: 'mtls' | 'tls', files: Record<string, SecretKeyRef | undefined>): SecretFiles {
  const sources = Object.entries(files).flatMap(([path, ref]) =>
    ref ? [{ secret: { name: ref.name, items: [{ key: ref.key, path }] } }] : [],
  );

  return { mountPath: AGENT_PATHS[name], volume: { name, projected: { sources } } };
}
