// The manager as it is installed: with the rights of dist/operator.yaml, or of the chart for listed namespaces, it is never
// refused anything while it makes, changes, suspends and removes tunnels.

import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { CHART, Helm } from '../support/helm.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';
import { writeKubeconfig } from '../support/kubeconfig-file.ts';
import { installReferenceGrants } from '../support/reference-grants.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PATIENCE = { timeoutMs: 60_000, everyMs: 100 };

const AUDIT_POLICY = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
});

function tunnelManifests(namespace: string): object[] {
  const metadata = (name: string) => ({ name, namespace });
  const group = 'tunnels.rstream.io/v1alpha1';

  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: metadata('engine'), stringData: { token: 'secret' } },
    { apiVersion: 'v1', kind: 'Service', metadata: metadata('web'), spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: group,
      kind: 'RstreamConnection',
      metadata: metadata('default'),
      spec: { engine: 'engine.example.com', tokenSecretRef: { name: 'engine', key: 'token' } },
    },
    {
      apiVersion: group,
      kind: 'RstreamTunnel',
      metadata: metadata('web'),
      spec: { target: { service: { name: 'web', port: 80 } }, agent: { replicas: 2 } },
    },
  ];
}

describe('the manager’s rights', function () {
  this.timeout(180_000);

  let kube: KubeApiserver;
  let manager: Daemon | undefined;

  beforeEach(async () => {
    const auditPolicy = join(tmpdir(), `audit-policy-${process.pid}.json`);
    writeFileSync(auditPolicy, AUDIT_POLICY);
    kube = await KubeApiserver.start({ auditPolicy });
    await installReferenceGrants(kube);
    await kube.kubectl(['create', 'namespace', 'shop']);
  });

  afterEach(async () => {
    await manager?.stop();
    await kube.stop();
  });

  async function startManager(account: string, args: readonly string[]): Promise<string> {
    const token = await kube.kubectl(['create', 'token', account, '-n', 'rstream-system']);
    const kubeconfig = join(kube.directory, 'manager.kubeconfig');
    writeKubeconfig(kubeconfig, { server: kube.url, caFile: kube.caFile, token: token.trim() });

    manager = new Daemon({
      command: process.execPath,
      args: [join(ROOT, 'src/manager/main.ts'), `--kubeconfig=${kubeconfig}`, ...args],
      logFile: join(kube.directory, 'manager.log'),
    });
    return `system:serviceaccount:rstream-system:${account}`;
  }

  async function names(kind: string): Promise<string> {
    return await kube.kubectl(['get', kind, '-n', 'shop', '-o', 'name']);
  }

  async function liveThroughEverything(): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: tunnelManifests('shop') });
    await kube.kubectl(['apply', '--server-side', '-f', '-'], list);
    const made = async () =>
      (await names('deployment')) !== '' && (await names('poddisruptionbudget')) !== '';
    await eventually('the tunnel’s Deployment and budget are there', made, PATIENCE);
    await eventually('a status is written', async () => (await status()).includes('Accepted'), PATIENCE);

    await kube.kubectl([
      'patch',
      'rstreamtunnel',
      'web',
      '-n',
      'shop',
      '--type=merge',
      '-p',
      '{"spec":{"suspend":true}}',
    ]);
    await eventually(
      'a suspended tunnel has no Deployment',
      async () => (await names('deployment')) === '',
      PATIENCE,
    );
    await eventually('an Event says so', async () => (await names('events.events.k8s.io')) !== '', PATIENCE);
  }

  async function status(): Promise<string> {
    return await kube.kubectl([
      'get',
      'rstreamtunnel',
      'web',
      '-n',
      'shop',
      '-o',
      'jsonpath={.status.conditions}',
    ]);
  }

  interface AuditEvent {
    readonly user: { readonly username: string };
    readonly verb: string;
    readonly requestURI: string;
    readonly responseStatus?: { readonly code: number };
  }

  function refusedTo(username: string): string[] {
    const events = readFileSync(kube.auditLog, 'utf8').trim().split('\n');

    return events
      .map((line): AuditEvent => JSON.parse(line))
      .filter(({ user, responseStatus }) => user.username === username && responseStatus?.code === 403)
      .map(({ verb, requestURI }) => `${verb} ${requestURI.replace(/\?.*/, '')}`);
  }

  it('suffice for the whole cluster', async () => {
    const files = ['crds', 'operator'].flatMap((name) => ['-f', join(ROOT, `dist/${name}.yaml`)]);
    await kube.kubectl(['apply', '--server-side', ...files]);
    const election = ['--leader-elect', '--leader-election-namespace=rstream-system'];
    const user = await startManager('rstream-operator', [...ADDRESSES, ...election]);

    await liveThroughEverything();

    expect(refusedTo(user)).to.deep.equal([]);
  });

  it('suffice for listed namespaces, without a ClusterRole', async () => {
    const helm = new Helm(kube.kubeconfig);
    const values = ['--set', 'watchNamespaces={shop}', '--set', 'rbac.aggregate=false'];
    await helm.run(
      'install',
      'rstream-operator',
      CHART,
      '-n',
      'rstream-system',
      '--create-namespace',
      ...values,
    );
    helm.close();
    const user = await startManager('rstream-operator', [...ADDRESSES, '--watch-namespace=shop']);

    await liveThroughEverything();

    // It asks for the cluster's identity first and takes its own namespace's when it may not have that.
    expect(refusedTo(user)).to.deep.equal(['get /api/v1/namespaces/kube-system']);
    expect(await kube.kubectl(['get', 'clusterrole', '-o', 'name'])).not.to.contain('rstream');
  });
});

const ADDRESSES = [
  '--agent-image=example.com/agent:1',
  '--metrics-bind-address=127.0.0.1:0',
  '--health-probe-bind-address=127.0.0.1:0',
];
