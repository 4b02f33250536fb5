// Values of the chart that say how the manager works, and who watches it.

import { expect } from 'chai';
import type { Manifest } from './helm.ts';
import { container, type HelmCase, MANAGER_NAME, nameOf } from './helm-case.ts';

/** A value that is a flag of the manager. */
function flag(title: string, values: object, ...expected: string[]): HelmCase {
  return { title, values, check: (find) => expect(container(find).args).to.include.members(expected) };
}

export const OPERATION_CASES: readonly HelmCase[] = [
  {
    title: 'leaderElection.enabled=false',
    values: { 'leaderElection.enabled': false },
    check: (find) => {
      expect(container(find).args.join()).not.to.contain('--leader-elect');
      expect(find('Role').map(nameOf).join()).not.to.contain('leader-election');
    },
  },
  flag(
    'leader election is in the release’s namespace',
    {},
    '--leader-elect',
    '--leader-election-namespace=rstream-system',
  ),
  {
    title: 'bind addresses move flags and ports together',
    values: { 'metrics.bindAddress': '127.0.0.1:9090', 'health.bindAddress': ':9091' },
    check: (find) => {
      expect(container(find).args).to.include.members([
        '--metrics-bind-address=127.0.0.1:9090',
        '--health-probe-bind-address=:9091',
      ]);
      expect(container(find).ports.map((port: Manifest) => port.containerPort)).to.deep.equal([9090, 9091]);
    },
  },
  flag('log', { log: { level: 'debug', format: 'text' } }, '--log-level=debug', '--log-format=text'),
  flag('crossNamespaceTargets', { crossNamespaceTargets: 'deny' }, '--cross-namespace-targets=deny'),
  flag(
    'switches',
    { allowExternalName: true, allowInsecureControlPlane: true },
    '--allow-external-name',
    '--allow-insecure-control-plane',
  ),
  flag(
    'allow-lists',
    {
      controlPlaneAllowCidrs: ['10.0.0.0/8', 'fd00::/8'],
      allowedEngines: ['*.example.com:443'],
      allowedAgentImages: ['example.com/*'],
    },
    '--control-plane-allow-cidr=10.0.0.0/8',
    '--control-plane-allow-cidr=fd00::/8',
    '--allowed-engines=*.example.com:443',
    '--allowed-agent-images=example.com/*',
  ),
  flag(
    'numbers as numbers, however large',
    { workers: 8, kubeApi: { qps: 1_000_000, burst: 2_000_000 } },
    '--workers=8',
    '--kube-api-qps=1000000',
    '--kube-api-burst=2000000',
  ),
  flag('clusterId with quotes and braces in it', { clusterId: 'a"b{{c}}' }, '--cluster-id=a"b{{c}}'),
  {
    title: 'metrics.service.enabled',
    values: { 'metrics.service.enabled': true },
    check: (find) => expect(find('Service').map(nameOf)).to.deep.equal([`${MANAGER_NAME}-metrics`]),
  },
  {
    title: 'monitors, with the labels by which Prometheus selects',
    values: {
      metrics: {
        serviceMonitor: { enabled: true },
        podMonitor: { enabled: true },
        interval: '10s',
        monitorLabels: { release: 'prometheus' },
      },
    },
    check: (find) => {
      expect(find('Service')).to.have.length(1);
      expect(find('ServiceMonitor')[0].spec.endpoints).to.deep.equal([{ port: 'metrics', interval: '10s' }]);
      expect(find('PodMonitor')[0].metadata.labels).to.include({ release: 'prometheus' });
    },
  },
  {
    title: 'metrics.dashboard.enabled',
    values: { 'metrics.dashboard.enabled': true },
    check: (find) => {
      const { metadata, data } = find('ConfigMap')[0];
      expect(metadata.labels).to.include({ grafana_dashboard: '1' });
      expect(JSON.parse(data['rstream-operator.json']).panels[0].targets[0].legendFormat).to.contain(
        '{{condition}}',
      );
    },
  },
  {
    title: 'networkPolicy opens what is said and nothing else',
    values: { networkPolicy: { enabled: true, egressCidrs: ['10.0.0.1/32'], egressPorts: [6443] } },
    check: (find) => {
      expect(find('NetworkPolicy')[0].spec.egress[1]).to.deep.equal({
        to: [{ ipBlock: { cidr: '10.0.0.1/32' } }],
        ports: [{ protocol: 'TCP', port: 6443 }],
      });
    },
  },
  {
    title: 'podDisruptionBudget.enabled',
    values: { 'podDisruptionBudget.enabled': true, replicaCount: 2 },
    check: (find) => expect(find('PodDisruptionBudget')[0].spec.maxUnavailable).to.equal(1),
  },
];
