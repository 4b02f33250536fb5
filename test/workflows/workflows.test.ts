// What actionlint (workflows_test.go) does not judge: pins, permissions, and that the workflows name things that exist.

import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parse } from 'yaml';
import { IMAGE_REPOSITORY } from '../../charts-ts/image.ts';
import { OPERATOR_VERSION } from '../../src/common/version.ts';
import { helmVersion } from '../cluster/settings.ts';
import { ROOT } from '../support/documented.ts';
import { workflow, workflowStep } from '../support/workflow.ts';

const FILES = globSync('.github/workflows/*.yaml', { cwd: ROOT });
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('the GitHub workflows', () => {
  it('are one for tests and one for releases', () => {
    expect(FILES.sort()).to.deep.equal(['.github/workflows/release.yaml', '.github/workflows/test.yaml']);
  });

  it('pin every action by digest, each to one version', () => {
    const pins = new Map<string, Set<string>>();
    const uses = FILES.flatMap((file) => textOf(file).match(/uses: .*/g) ?? []);

    for (const line of uses.filter((candidate) => !candidate.startsWith('uses: ./'))) {
      const [, action = '', pin = ''] = /^uses: ([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(line) ?? [];
      expect(pin, line).not.to.equal('');
      pins.set(action, (pins.get(action) ?? new Set()).add(pin));
    }
    expect(uses.length).to.be.above(10);
    for (const [action, found] of pins) expect([...found], action).to.have.length(1);
  });

  it('may only read unless a job says otherwise, and never keep credentials in the checkout', () => {
    for (const file of FILES) {
      const { permissions, jobs } = parse(textOf(file));
      expect(permissions, file).to.deep.equal({ contents: 'read' });
      for (const [name, job] of Object.entries<{ steps?: { uses?: string; with?: object }[] }>(jobs)) {
        const checkouts = (job.steps ?? []).filter(({ uses }) => uses?.startsWith('actions/checkout@'));
        for (const step of checkouts)
          expect(step.with, name).to.deep.include({ 'persist-credentials': false });
      }
    }
  });

  it('call make with targets that there are', () => {
    const targets = new Set([...textOf('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name));
    const called = FILES.flatMap((file) =>
      [...textOf(file).matchAll(/\bmake ([a-z-]+)$/gm)].map(([, name]) => name),
    );

    expect(called).to.include.members(['check', 'package', 'sbom']);
    for (const name of called) expect(targets, name).to.include(name);
  });

  it('publish the image that the manifests name, for both architectures, and a chart made by the helm of the tests', () => {
    const release = workflow('release');
    const helm = release.jobs.chart.steps.find(({ uses }: { uses?: string }) => uses?.includes('setup-helm'));
    const { include } = release.jobs.build.strategy.matrix;

    expect(release.env.IMAGE).to.equal(IMAGE_REPOSITORY);
    expect(include.map(({ architecture }: { architecture: string }) => architecture)).to.deep.equal([
      'amd64',
      'arm64',
    ]);
    expect(helm.with.version).to.equal(`v${helmVersion}`);
  });

  it('sign image and chart without keys, and say where everything was built', () => {
    const { jobs } = workflow('release');

    for (const name of ['image', 'chart']) {
      const text = JSON.stringify(jobs[name].steps);
      expect(text, name).to.contain('cosign sign --yes').and.to.contain('attest-build-provenance');
      expect(jobs[name].permissions, name).to.include({ 'id-token': 'write', attestations: 'write' });
    }
    expect(JSON.stringify(jobs.constructs.steps)).to.contain(
      'npm publish ./.build/constructs --access public --provenance',
    );
    expect(JSON.stringify(jobs.build.steps)).to.contain('"provenance":"mode=max","sbom":true');
  });

  it('release a tag only when it is this version', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'release-'));
    const { run } = workflowStep(
      'release',
      'version',
      'the tag is the version of package.json, and the changelog knows it',
    );
    const release = async (tag: string) => {
      const env = { ...process.env, GITHUB_REF_NAME: tag, GITHUB_OUTPUT: join(folder, tag) };
      await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', run], { cwd: ROOT, env });
      return readFileSync(join(folder, tag), 'utf8');
    };

    expect(await release(`v${OPERATOR_VERSION}`)).to.equal(`version=${OPERATOR_VERSION}\n`);
    expect(await release('v99.0.0').catch(() => 'refused')).to.equal('refused');
    rmSync(folder, { recursive: true });
  });
});

describe('dependency updates', () => {
  const updates: { 'package-ecosystem': string; directory?: string; directories?: string[] }[] = parse(
    textOf('.github/dependabot.yml'),
  ).updates;

  it('cover npm, the actions, the Dockerfile and every Go module', () => {
    const modules = globSync('**/go.mod', { cwd: ROOT, exclude: ['node_modules/**', '.build/**'] }).map(
      (file) => `/${dirname(file)}`,
    );
    const go = updates.find((update) => update['package-ecosystem'] === 'gomod')?.directories ?? [];
    const covered = (folder: string) => go.some((pattern) => matchesGlob(folder, pattern));

    expect(updates.map((update) => update['package-ecosystem'])).to.deep.equal([
      'npm',
      'github-actions',
      'docker',
      'gomod',
    ]);
    expect(modules).to.include('/test/cel');
    expect(modules.filter((folder) => !covered(folder))).to.deep.equal([]);
  });
});
