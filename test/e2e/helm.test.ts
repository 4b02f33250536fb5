// The life of a Helm release on a real node while a tunnel carries traffic: taking over from the Go operator's chart and from
// kubectl's CRDs, a standby, rollback, uninstall. Nothing of it may touch the tunnel's address or its agent.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { IMAGE_REPOSITORY } from '../../charts-ts/image.ts';
import { OPERATOR_VERSION } from '../../src/common/version.ts';
import { nodePaths } from '../cluster/settings.ts';
import { operator, sample } from '../demo/names.ts';
import { eventually } from '../support/eventually.ts';
import { olderCrds, writeGoChart } from '../support/go-chart.ts';
import { CHART, Helm } from '../support/helm.ts';
import { type DemoCluster, demoCluster, demoEnvironment, nodeName } from './demo-cluster.ts';
import { make } from './make.ts';
import { visit } from './visitor.ts';

const RELEASE = ['rstream-operator', '--namespace', operator.namespace];
const IMAGE = ['--set', `image.repository=${IMAGE_REPOSITORY}`, '--set', `image.tag=${OPERATOR_VERSION}`];

/** The command of docs/install.md, unchanged but for the chart's folder. */
const UPGRADE = [
  'upgrade',
  '--install',
  'rstream-operator',
  CHART,
  ...RELEASE.slice(1),
  '--create-namespace',
  ...IMAGE,
];

const AGENT_RIGHTS = '--selector=app.kubernetes.io/component=agent-rbac';

describe('a Helm release on a real node', function () {
  this.timeout(300_000);

  let cluster: DemoCluster;
  let helm: Helm;
  let agentPod: string;

  before(async () => {
    const { code, text } = await make('demo', { environment: demoEnvironment });
    expect(code, text).to.equal(0);
    cluster = demoCluster(text);
    helm = new Helm(nodePaths(nodeName).kubeconfig);
    agentPod = await tunnelField('.status.agentPod');
  });

  after(async () => {
    helm?.close();
    await make('demo-down', { environment: demoEnvironment });
  });

  const kubectl = (...args: string[]) => cluster.kubectl.run(args);
  const inSample = (...args: string[]) => kubectl('-n', sample.namespace, ...args);
  const inSystem = (...args: string[]) => kubectl('-n', operator.namespace, ...args);
  const rolledOut = () =>
    inSystem('rollout', 'status', `deployment/${operator.deployment}`, '--timeout=120s');

  function tunnelField(path: string): Promise<string> {
    return kubectl('-n', sample.namespace, 'get', 'rstreamtunnel', sample.tunnel, '-o', `jsonpath={${path}}`);
  }

  async function suspendIsKnown(): Promise<boolean> {
    const crd = await kubectl('get', 'crd', 'rstreamtunnels.tunnels.rstream.io', '-o', 'json');
    return JSON.stringify(JSON.parse(crd).spec).includes('"suspend"');
  }

  /** The same agent serves the same address, and a manager really looks after the tunnel. */
  async function expectServed(): Promise<void> {
    expect((await visit(cluster, '/')).status).to.equal(200);
    expect(await tunnelField('.status.agentPod')).to.equal(agentPod);

    await inSample('delete', 'role', AGENT_RIGHTS);
    await eventually(
      'a manager puts back the agent’s Role',
      async () => (await inSample('get', 'role', AGENT_RIGHTS, '-o', 'name')) || undefined,
      { timeoutMs: 90_000, everyMs: 500 },
    );
  }

  it('takes over from the Go operator’s chart 0.5.2: CRDs upgraded, same Deployment, same tunnel', async () => {
    await kubectl('delete', 'namespace', operator.namespace, '--wait', '--timeout=120s');
    await kubectl('delete', 'clusterrole,clusterrolebinding', '--selector=app.kubernetes.io/part-of=rstream');
    await kubectl(
      '-n',
      'kube-system',
      'delete',
      'role,rolebinding',
      '--selector=app.kubernetes.io/part-of=rstream',
    );
    const crds = join(nodePaths(nodeName).folder, 'older-crds.yaml');
    writeFileSync(crds, olderCrds());
    await kubectl('apply', '-f', crds);
    // Our manager plays the old one: it understands the flags of the old chart.
    await helm.run(
      'install',
      'rstream-operator',
      writeGoChart(),
      ...RELEASE.slice(1),
      '--create-namespace',
      ...IMAGE,
    );
    const before = await inSystem('get', 'deployment', operator.deployment, '-o', 'jsonpath={.metadata.uid}');
    expect(await suspendIsKnown()).to.equal(false);

    await helm.run(...UPGRADE);

    expect(await suspendIsKnown()).to.equal(true);
    await rolledOut();
    expect(
      await inSystem('get', 'deployment', operator.deployment, '-o', 'jsonpath={.metadata.uid}'),
    ).to.equal(before);
    expect((await inSystem('get', 'jobs', '-o', 'name')).trim()).to.equal('');
    await expectServed();
  });

  it('keeps a standby by value: two managers run, one leads', async () => {
    await helm.run(...UPGRADE, '--set', 'replicaCount=2', '--set', 'podDisruptionBudget.enabled=true');
    await rolledOut();

    const deployment = JSON.parse(await inSystem('get', 'deployment', operator.deployment, '-o', 'json'));
    expect(deployment.status.availableReplicas).to.equal(2);
    const pods = (await inSystem('get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');
    const lease = ['lease', 'rstream-operator.tunnels.rstream.io', '-o', 'jsonpath={.spec.holderIdentity}'];
    const holder = await inSystem('get', ...lease);
    expect(pods.filter((pod) => holder.startsWith(`${pod}_`))).to.have.length(1);
    await expectServed();
  });

  it('rolls back, to the old chart too, without touching CRDs or tunnels', async () => {
    await helm.run('rollback', 'rstream-operator', '2', ...RELEASE.slice(1));
    await rolledOut();
    expect(
      await inSystem('get', 'deployment', operator.deployment, '-o', 'jsonpath={.spec.replicas}'),
    ).to.equal('1');

    await helm.run('rollback', 'rstream-operator', '1', ...RELEASE.slice(1));
    const deployment = await inSystem('get', 'deployment', operator.deployment, '-o', 'json');
    expect(JSON.parse(deployment).spec.template.spec.containers[0]).not.to.have.property('command');
    expect(await suspendIsKnown()).to.equal(true);
    expect((await visit(cluster, '/')).status).to.equal(200);

    await helm.run(...UPGRADE);
    await rolledOut();
    await expectServed();
  });

  it('leaves CRDs, tunnels and their agents when it is uninstalled, and finds them again', async () => {
    await helm.run('uninstall', ...RELEASE, '--wait');

    expect(await kubectl('get', 'deployments,clusterroles', '-A', '-o', 'name')).not.to.contain(
      '/rstream-operator',
    );
    expect((await visit(cluster, '/')).status).to.equal(200);

    await helm.run(...UPGRADE);
    await rolledOut();
    await expectServed();
  });
});
