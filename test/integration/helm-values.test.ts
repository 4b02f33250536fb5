// The chart under many values: what each one changes, and that a real API server takes the result.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { OPERATOR_VERSION } from '../../src/common/version.ts';
import { untilEstablished } from '../support/crds.ts';
import { ROOT } from '../support/documented.ts';
import { CHART, Helm, type Manifest, parseManifests } from '../support/helm.ts';
import { INSTALL_CASES } from '../support/helm-install-cases.ts';
import { OPERATION_CASES } from '../support/helm-operation-cases.ts';
import { POD_CASES } from '../support/helm-pod-cases.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { monitoringCrds } from '../support/monitoring-crds.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';
import { kubeBinary } from '../support/test-home.ts';
import { workflowStep } from '../support/workflow.ts';

const REFUSED_VALUES = [
  {
    title: 'an unknown value',
    values: { replicas: 2 },
    message: "additional properties 'replicas' not allowed",
  },
  {
    title: 'a standby that nobody elects',
    values: { replicaCount: 2, leaderElection: { enabled: false } },
    message: 'leaderElection',
  },
  { title: 'a number that is text', values: { replicaCount: 'two' }, message: 'replicaCount' },
  {
    title: 'an unknown policy',
    values: { crossNamespaceTargets: 'maybe' },
    message: 'crossNamespaceTargets',
  },
  { title: 'a digest that is none', values: { 'image.digest': 'latest' }, message: 'digest' },
  { title: 'a bind address without a port', values: { 'metrics.bindAddress': '0' }, message: 'bindAddress' },
] as const;

describe('the Helm chart’s values', function () {
  this.timeout(120_000);

  const helm = new Helm();
  let kube: KubeApiserver;

  before(async () => {
    kube = await sharedKubeApiserver();
    const namespaces = ['rstream-system', 'shop', 'blog'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    }));
    await apply([...namespaces, ...monitoringCrds()]);
    await untilEstablished(kube);
  });

  after(() => helm.close());

  async function apply(items: readonly object[], ...flags: string[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const args = ['apply', '--server-side', '--force-conflicts', '--validate=strict', ...flags, '-f', '-'];
    await kube.kubectl(args, list);
  }

  it('pass lint', async () => {
    expect(await helm.run('lint', '--strict', CHART)).to.contain('0 chart(s) failed');
  });

  it('are packaged as the release does it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'package-'));
    symlinkSync(join(ROOT, 'dist'), join(folder, 'dist'));
    const { run } = workflowStep('release', 'chart', 'package the chart');
    const PATH = `${dirname(kubeBinary('helm'))}:${process.env.PATH}`;
    await promisify(execFile)('bash', ['-ec', run], { cwd: folder, env: { PATH, HOME: folder } });

    const chart = join(folder, '.build/release', `rstream-operator-${OPERATOR_VERSION}.tgz`);
    expect(parseManifests(await helm.run('template', 'tunnels', chart))).to.deep.equal(
      parseManifests(await helm.run('template', 'tunnels', CHART)),
    );
    rmSync(folder, { recursive: true });
  });

  for (const { title, values, check } of [...INSTALL_CASES, ...POD_CASES, ...OPERATION_CASES]) {
    it(title, async () => {
      const manifests = await helm.template(values ?? {});

      check((kind) => manifests.filter((manifest: Manifest) => manifest.kind === kind));
      await apply(manifests, '--dry-run=server');
    });
  }

  for (const { title, values, message } of REFUSED_VALUES) {
    it(`refuse ${title}`, async () => {
      const refusal = await helm.template(values).then(
        () => 'accepted',
        (error: unknown) => String(error),
      );
      expect(refusal).to.contain(message);
    });
  }
});
