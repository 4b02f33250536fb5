// The life of a release with real helm on a real API server: install, upgrade, rollback, uninstall, and taking over what was
// installed by others.

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { olderCrds, withoutSuspend, writeGoChart } from '../support/go-chart.ts';
import { CHART, Helm, type Manifest, parseManifests } from '../support/helm.ts';
import { runHookJob } from '../support/helm-hook.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';
import { wipeOperator } from '../support/wipe.ts';

const NAMESPACE = 'rstream-system';
const TUNNELS = 'rstreamtunnels.tunnels.rstream.io';
const IMAGE = ['--set', 'image.repository=example.com/rstream-operator', '--set', 'image.tag=1.0.0'];

/** The command of the documentation, word for word but for the chart's folder. */
const UPGRADE = [
  'upgrade',
  '--install',
  'rstream-operator',
  CHART,
  '--namespace',
  NAMESPACE,
  '--create-namespace',
];

describe('a Helm release', function () {
  this.timeout(240_000);

  let kube: KubeApiserver;
  let helm: Helm;

  before(async () => {
    kube = await KubeApiserver.start();
    helm = new Helm(kube.kubeconfig);
  });

  beforeEach(() => wipeOperator(kube));

  after(async () => {
    helm?.close();
    await kube?.stop();
  });

  async function get(kind: string, name: string): Promise<Manifest> {
    return JSON.parse(await kube.kubectl(['get', kind, name, '-n', NAMESPACE, '-o', 'json']));
  }

  async function tunnelFields(): Promise<object> {
    const crd = await get('crd', TUNNELS);
    return crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties;
  }

  async function crdsOfRelease(): Promise<number> {
    const manifest = await helm.run('get', 'manifest', 'rstream-operator', '-n', NAMESPACE);
    return parseManifests(manifest).filter(({ kind }) => kind === 'CustomResourceDefinition').length;
  }

  it('installs, upgrades to itself without change, rolls back and leaves CRDs behind', async () => {
    const notes = await helm.run(...UPGRADE, ...IMAGE);
    expect(notes).to.contain('kubectl -n rstream-system rollout status deployment/rstream-operator');
    const first = await get('deployment', 'rstream-operator');

    await helm.run(...UPGRADE, ...IMAGE);
    expect((await get('deployment', 'rstream-operator')).metadata.generation).to.equal(
      first.metadata.generation,
    );

    await helm.run(...UPGRADE, ...IMAGE, '--set', 'log.level=debug');
    expect(JSON.stringify(await get('deployment', 'rstream-operator'))).to.contain('--log-level=debug');
    await helm.run('rollback', 'rstream-operator', '1', '-n', NAMESPACE);
    expect((await get('deployment', 'rstream-operator')).spec.template).to.deep.equal(first.spec.template);

    await helm.run('uninstall', 'rstream-operator', '-n', NAMESPACE);
    const left = await kube.kubectl([
      'get',
      'deployment,role,clusterrole,clusterrolebinding',
      '-A',
      '-o',
      'name',
    ]);
    expect(left).not.to.contain('rstream');
    expect(await tunnelFields()).to.have.property('suspend');

    await helm.run(...UPGRADE, ...IMAGE);
    expect(await crdsOfRelease()).to.equal(2);
  });

  it('brings the fields of its release to CRDs of an older one', async () => {
    const older = join(kube.directory, 'older-chart');
    const crds = join(older, 'templates/crds.yaml');
    cpSync(CHART, older, { recursive: true });
    writeFileSync(crds, withoutSuspend(readFileSync(crds, 'utf8')));
    await helm.run(
      'install',
      'rstream-operator',
      older,
      '--namespace',
      NAMESPACE,
      '--create-namespace',
      ...IMAGE,
    );
    expect(await tunnelFields()).not.to.have.property('suspend');

    await helm.run(...UPGRADE, ...IMAGE);

    expect(await tunnelFields()).to.have.property('suspend');
  });

  for (const serverSide of ['true', 'false']) {
    it(`takes over a release of the Go operator’s chart with the same command (server-side apply: ${serverSide})`, async () => {
      const goChart = writeGoChart();
      const install = [
        'install',
        'rstream-operator',
        goChart,
        '--namespace',
        NAMESPACE,
        '--create-namespace',
      ];
      await helm.run(...install, `--server-side=${serverSide}`);
      rmSync(goChart, { recursive: true });
      const before = await get('deployment', 'rstream-operator');
      expect(await tunnelFields()).not.to.have.property('suspend');

      const upgrade = helm.run(...UPGRADE, ...IMAGE);
      await Promise.all([upgrade, runHookJob(kube, NAMESPACE)]);

      const after = await get('deployment', 'rstream-operator');
      expect(after.metadata.uid).to.equal(before.metadata.uid);
      expect(after.spec.template.spec.containers).to.have.length(1);
      expect(after.spec.template.spec.containers[0].image).to.equal('example.com/rstream-operator:1.0.0');
      expect(await tunnelFields()).to.have.property('suspend');
      expect(await kube.kubectl(['get', 'jobs,clusterroles', '-A', '-o', 'name'])).not.to.contain('-crds');

      await helm.run(...UPGRADE, ...IMAGE);
      expect(await crdsOfRelease()).to.equal(2);

      await helm.run('rollback', 'rstream-operator', '1', '-n', NAMESPACE);
      const [container] = (await get('deployment', 'rstream-operator')).spec.template.spec.containers;
      expect(container.image).to.equal('example.com/go-operator:v0.5.2');
      expect(container).not.to.have.property('command');
      expect(await tunnelFields()).to.have.property('suspend');
    });
  }

  it('takes over CRDs that kubectl applied', async () => {
    const file = join(kube.directory, 'older.yaml');
    writeFileSync(file, olderCrds());
    await kube.kubectl(['apply', '-f', file]);

    await Promise.all([helm.run(...UPGRADE, ...IMAGE), runHookJob(kube, NAMESPACE)]);
    await helm.run(...UPGRADE, ...IMAGE, '--set', 'commonLabels.second=time');

    const { metadata } = await get('crd', TUNNELS);
    expect(metadata.labels).to.include({ second: 'time', 'app.kubernetes.io/managed-by': 'Helm' });
    expect(await tunnelFields()).to.have.property('suspend');
  });

  it('leaves CRDs of another release alone', async () => {
    await helm.run(...UPGRADE, ...IMAGE);

    const second = ['upgrade', '--install', 'tenant', CHART, '--namespace', 'tenant', '--create-namespace'];
    await helm.run(...second, ...IMAGE, '--set', 'watchNamespaces={tenant}', '--set', 'rbac.aggregate=false');
    await helm.run('uninstall', 'tenant', '--namespace', 'tenant');

    const { metadata } = await get('crd', TUNNELS);
    expect(metadata.annotations['meta.helm.sh/release-name']).to.equal('rstream-operator');
  });
});
