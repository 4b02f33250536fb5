// Where the chart's values go in the manager's Deployment.

import { MANAGER_FLAGS } from '../manager.ts';
import type { Overlay } from '../overlay.ts';
import { AGENT_IMAGE, SERVICE_ACCOUNT } from './helpers.ts';
import { block, computed, guarded, type HelmValue, scalar, text, valueText } from './token.ts';
import { chartValue, SETTING_VALUES } from './values.ts';

const POD = ['spec', 'template', 'spec'] as const;
const CONTAINER = [...POD, 'containers', 0] as const;

const CA = { name: 'ca', mountPath: '/etc/rstream-operator/ca', readOnly: true };

/** What any Pod of the chart needs to be admitted, scheduled and started where the manager is. */
export function podOverlays(): readonly Overlay[] {
  return [
    ...blocks(POD, ['nodeSelector', 'tolerations', 'imagePullSecrets', 'securityContext']),
    ...blocks(CONTAINER, ['resources']),
    { path: [...CONTAINER, 'securityContext'], value: block('containerSecurityContext') },
    { path: [...CONTAINER, 'imagePullPolicy'], value: valueText('image.pullPolicy') },
    {
      path: [...POD, 'priorityClassName'],
      value: ifSet('priorityClassName', valueText('priorityClassName')),
    },
  ];
}

export function deploymentOverlays(): readonly Overlay[] {
  return [
    ...podOverlays(),
    { path: ['spec', 'replicas'], value: scalar('replicaCount') },
    { path: ['spec', 'template', 'metadata', 'annotations'], value: block('podAnnotations') },
    ...blocks(POD, ['affinity', 'topologySpreadConstraints']),
    { path: [...POD, 'serviceAccountName'], value: text(SERVICE_ACCOUNT) },
    { path: [...POD, 'terminationGracePeriodSeconds'], value: scalar('terminationGracePeriodSeconds') },
    { path: [...POD, 'volumes'], value: ifSet('extraCa.configMap', [caVolume()]) },
    { path: [...CONTAINER, 'volumeMounts'], value: ifSet('extraCa.configMap', [CA]) },
    { path: [...CONTAINER, 'env'], value: environment() },
    {
      path: [...CONTAINER, 'ports'],
      value: ['metrics', 'health'].map((name) => ({ name, containerPort: portOf(name) })),
    },
    { path: [...CONTAINER, 'args'], value: args() },
  ];
}

/** The port number of a listen address in the values. */
export function portOf(name: string): HelmValue {
  return computed(`splitList ":" $.Values.${chartValue(`${name}.bindAddress`).path} | last | int`);
}

function args(): unknown[] {
  const election = 'if $.Values.leaderElection.enabled';

  return [
    `--agent-image=${text(AGENT_IMAGE)}`,
    guarded(election, '--leader-elect'),
    guarded(election, `--leader-election-namespace=${text('$.Release.Namespace')}`),
    `--metrics-bind-address=${valueText('metrics.bindAddress')}`,
    `--health-probe-bind-address=${valueText('health.bindAddress')}`,
    ...MANAGER_FLAGS.map(([flag, setting]) => argument(flag, chartValue(SETTING_VALUES[setting] ?? setting))),
  ];
}

/** A list says its flag once per item, a switch without a value, anything else when it is set. */
function argument(flag: string, { path, default: initial }: { path: string; default: unknown }): HelmValue {
  if (Array.isArray(initial)) return guarded(`range $.Values.${path}`, `--${flag}=${text('.')}`);
  if (typeof initial === 'boolean') return ifSet(path, `--${flag}`);
  return ifSet(path, `--${flag}=${text(`$.Values.${path}${initial === null ? ' | int | toString' : ''}`)}`);
}

function environment(): HelmValue {
  const proxies = {
    HTTPS_PROXY: 'proxy.httpsProxy',
    HTTP_PROXY: 'proxy.httpProxy',
    NO_PROXY: 'proxy.noProxy',
  };
  const paths = [...Object.values(proxies), 'extraCa.configMap'];

  return guarded(`if or ${paths.map((path) => `$.Values.${path}`).join(' ')}`, [
    ...Object.entries(proxies).map(([name, path]) => ifSet(path, { name, value: valueText(path) })),
    ifSet('extraCa.configMap', { name: 'NODE_EXTRA_CA_CERTS', value: `${CA.mountPath}/ca.crt` }),
  ]);
}

function caVolume(): object {
  const items = [{ key: valueText('extraCa.key'), path: 'ca.crt' }];
  return { name: CA.name, configMap: { name: valueText('extraCa.configMap'), items } };
}

function ifSet(path: string, value: unknown): HelmValue {
  return guarded(`if $.Values.${chartValue(path).path}`, value);
}

function blocks(parent: Overlay['path'], paths: readonly string[]): Overlay[] {
  return paths.map((path) => ({ path: [...parent, path], value: block(chartValue(path).path) }));
}
