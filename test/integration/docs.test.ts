// Every command of docs/install.md, docs/self-hosted.md and docs/migration.md is run, and every manifest in them applied, on a
// real API server. Pods do not run here, so those that somebody waits for are reported ready by hand.

import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { untilEstablished } from '../support/crds.ts';
import { documentedCommands, documentedManifests, ROOT } from '../support/documented.ts';
import { eventually } from '../support/eventually.ts';
import { writeGoChart } from '../support/go-chart.ts';
import { parseManifests } from '../support/helm.ts';
import { runHookJob } from '../support/helm-hook.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';
import { monitoringCrds } from '../support/monitoring-crds.ts';
import { kubeBinary } from '../support/test-home.ts';
import { wipeOperator } from '../support/wipe.ts';

/** The test that runs a document's commands and applies its manifests. */
const CARRIED_OUT_BY = {
  'docs/conditions.md': 'test/integration/docs.test.ts',
  'docs/constructs.md': 'test/constructs/package.test.ts',
  'docs/install.md': 'test/integration/docs.test.ts',
  'docs/migration.md': 'test/integration/docs.test.ts',
  'docs/self-hosted.md': 'test/integration/docs.test.ts',
};

describe('documentation', function () {
  this.timeout(300_000);

  let shared: KubeApiserver;
  let kube: KubeApiserver;
  let folder: string;

  before(async () => {
    shared = await KubeApiserver.start();
  });

  after(() => shared?.stop());

  beforeEach(async () => {
    kube = shared;
    await wipeOperator(kube);
    folder = mkdtempSync(join(tmpdir(), 'docs-'));
    for (const name of ['dist', 'samples']) symlinkSync(join(ROOT, name), join(folder, name));
  });

  afterEach(async () => {
    if (kube !== shared) await kube.stop();
    rmSync(folder, { recursive: true });
  });

  async function run(command: string): Promise<string> {
    if (command.includes('rollout status')) await reportReady();
    const folders = [dirname(kubeBinary('kubectl')), dirname(kubeBinary('helm')), process.env.PATH];
    const env = { HOME: folder, PATH: folders.join(':'), KUBECONFIG: kube.kubeconfig };

    const { stdout } = await promisify(execFile)('bash', ['-ec', command], { cwd: folder, env }).catch(
      (error) => {
        throw new Error(`${command}\n${error.stderr}`);
      },
    );
    return stdout;
  }

  /** What a kubelet would say of the manager's Pods. */
  async function reportReady(): Promise<void> {
    const namespace = ['-n', 'rstream-system'];
    const pods = await eventually(
      'the manager has a Pod',
      async () => (await kube.kubectl(['get', 'pods', ...namespace, '-o', 'name'])).trim() || undefined,
      { timeoutMs: 60_000, everyMs: 200 },
    );
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() };
    const patch = JSON.stringify({ status: { phase: 'Running', conditions: [ready] } });
    for (const pod of pods.split('\n')) {
      await kube.kubectl(['patch', pod, ...namespace, '--subresource=status', '--type=merge', '-p', patch]);
    }
  }

  async function apply(manifests: readonly object[], ...flags: string[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
    await kube.kubectl(['apply', '--server-side', '--validate=strict', ...flags, '-f', '-'], list);
  }

  it('install.md installs, upgrades and removes in every way it names', async () => {
    kube = await KubeApiserver.start({ controllerManager: true });
    await apply(monitoringCrds());

    for (const command of documentedCommands('docs/install.md')) await run(command);

    const deployments = await kube.kubectl(['get', 'deployments', '-A', '-o', 'name']);
    expect(deployments.trim().split('\n')).to.have.length(2);
  });

  it('the chart’s own README installs it', async () => {
    const commands = documentedCommands('dist/charts/rstream-operator/README.md');
    for (const command of commands) await run(command);

    expect(await run('helm list --short --namespace rstream-system')).to.equal('rstream-operator\n');
  });

  it('has no command and no manifest that no test carries out', () => {
    const found = globSync('docs/**/*.md', { cwd: ROOT }).filter(
      (file) => documentedCommands(file).length + documentedManifests(file).length > 0,
    );

    expect(Object.keys(CARRIED_OUT_BY)).to.have.members(found);
    for (const [file, test] of Object.entries(CARRIED_OUT_BY)) {
      expect(readFileSync(join(ROOT, test), 'utf8')).to.contain(`documentedCommands('${file}')`);
    }
  });

  it('install.md’s kustomization builds with its own images', async () => {
    const [kustomization = ''] = documentedManifests('docs/install.md');
    // kustomize looks at real paths, and a base lies beside its overlay, not behind a link.
    const overlay = join(ROOT, '.build/docs-overlay');
    mkdirSync(overlay, { recursive: true });
    writeFileSync(join(overlay, 'kustomization.yaml'), kustomization.replace('../dist', '../../dist'));

    const built = await kube.kubectl(['kustomize', overlay]);
    rmSync(overlay, { recursive: true });

    expect(built).not.to.contain('ghcr.io');
    await apply(parseManifests(built));
  });

  it('self-hosted.md shows connections that are accepted', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(folder, 'client.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await run(
      'openssl req -x509 -new -key client.key -subj /CN=client -days 1 -out client.crt && cp client.crt ca.crt',
    );
    await run('kubectl apply --server-side -f dist/crds.yaml');
    await untilEstablished(kube);

    for (const command of documentedCommands('docs/self-hosted.md')) await run(command);
    for (const manifests of documentedManifests('docs/self-hosted.md')) {
      await apply(parseManifests(manifests), '--force-conflicts', '--dry-run=server');
    }
  });

  it('conditions.md’s looks at a tunnel work', async () => {
    await run('kubectl apply --server-side -f dist/crds.yaml');
    await untilEstablished(kube);
    const spec = { target: { service: { name: 'web', port: 80 } } };
    await apply([
      { apiVersion: 'tunnels.rstream.io/v1alpha1', kind: 'RstreamTunnel', metadata: { name: 'web' }, spec },
    ]);
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      message: '',
      lastTransitionTime: new Date(),
    };
    // Without it, kubectl takes the condition for one of an older generation.
    const observedGeneration = Number(
      await run('kubectl get rstreamtunnel web -o jsonpath={.metadata.generation}'),
    );
    const status = JSON.stringify({ status: { observedGeneration, conditions: [ready] } });
    await run(`kubectl patch rstreamtunnel web --subresource=status --type=merge --patch '${status}'`);

    const answers = [];
    for (const command of documentedCommands('docs/conditions.md')) answers.push(await run(command));

    for (const answer of answers) expect(answer).to.contain('web');
    expect(answers.join()).to.contain('condition met');
  });

  it('migration.md moves a release of the Go operator', async () => {
    const goChart = writeGoChart();
    await run(`helm install rstream-operator ${goChart} --namespace rstream-system --create-namespace`);
    rmSync(goChart, { recursive: true });
    const [upgrade = '', ...rest] = documentedCommands('docs/migration.md');

    await Promise.all([run(upgrade), runHookJob(kube, 'rstream-system')]);
    for (const command of rest) await run(command);

    const { spec } = JSON.parse(
      await kube.kubectl(['get', 'deployment', 'rstream-operator', '-n', 'rstream-system', '-o', 'json']),
    );
    expect(spec.template.spec.containers[0].command).to.deep.equal(['/rstream-manager']);
  });
});
