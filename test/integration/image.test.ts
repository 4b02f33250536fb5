// The image: what the Docker-free builder packs is what the Dockerfile's own steps lay out, it runs without anything else,
// and it is small enough.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { type BuiltImage, buildImage } from '../../scripts/build-image.ts';
import { compressedBudgetBytes } from '../../scripts/image-layout.ts';
import { dockerfileStages, type Instruction, keyValues, runStage } from '../support/dockerfile.ts';
import { ROOT } from '../support/documented.ts';

const DOCUMENTS = 'usr/share/doc/rstream-operator';
const run = promisify(execFile);

describe('the image', function () {
  this.timeout(300_000);

  let folder: string;
  let image: BuiltImage;
  // biome-ignore lint/suspicious/noExplicitAny: the configuration of an OCI image
  let config: any;
  const rootfs = () => join(folder, 'rootfs');

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'image-'));
    image = await buildImage();
    await run('mkdir', ['oci', 'rootfs'], { cwd: folder });
    await run('tar', ['-xf', image.file, '-C', 'oci'], { cwd: folder });

    const blob = (digest: string) => join(folder, 'oci/blobs/sha256', digest.slice('sha256:'.length));
    const manifest = JSON.parse(readFileSync(blob(image.digest), 'utf8'));
    config = JSON.parse(readFileSync(blob(manifest.config.digest), 'utf8'));
    for (const { digest } of manifest.layers) await run('tar', ['-xpzf', blob(digest), '-C', rootfs()]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a program of the image as its user, with the image's files and no others. */
  async function inside(...command: string[]): Promise<string> {
    const { stdout } = await run('chroot', [`--userspec=${config.config.User}`, rootfs(), ...command]);
    return stdout;
  }

  it('stays within its budget', () => {
    console.log(`      ${(image.compressedBytes / 1e6).toFixed(1)} MB compressed`);
    expect(image.compressedBytes).to.be.within(10_000_000, compressedBudgetBytes);
    expect(compressedBudgetBytes).to.be.at.most(90_000_000);
  });

  it('runs both executables as 65532, without a shell', async () => {
    expect(config.config.User).to.equal('65532:65532');
    expect(await inside('/rstream-manager', '--help')).to.contain('--agent-image');
    expect(await inside('/rstream-agent', '--help')).to.contain('--config');
    const programs = everything(rootfs()).filter(
      ({ path, mode }) => !path.startsWith('usr/lib') && mode === '100755',
    );
    expect(programs.map(({ path }) => path).sort()).to.deep.equal([
      expectedLoader(),
      'rstream-agent',
      'rstream-manager',
      'usr/local/bin/node',
    ]);
  });

  it('brings native QUIC where its authors publish it', async () => {
    const name = `@infisical/quic-linux-${process.arch}`;
    const published = readdirSync(join(ROOT, 'node_modules/@infisical')).includes(
      `quic-linux-${process.arch}`,
    );
    const load = `typeof require('node:module').createRequire('/rstream-agent')('${name}').Connection`;

    expect(process.arch === 'x64' ? published : true).to.equal(true);
    const answer = await inside(
      '/usr/local/bin/node',
      '--print',
      `try { ${load} } catch (error) { error.code }`,
    );
    expect(answer.trim()).to.equal(published ? 'function' : 'MODULE_NOT_FOUND');
  });

  it('is what the Dockerfile lays out', async () => {
    const [build = [], final = []] = dockerfileStages(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
    const stage = join(folder, 'src');
    await run('mkdir', [stage]);
    await runStage(build, ROOT, stage);

    const argument = (name: string) => final.find((instruction) => instruction.name === name)?.argument ?? '';
    const [, copied = ''] = /^--from=build \/src\/(\S+)\/ \/$/.exec(argument('COPY')) ?? [];
    expect(everything(join(stage, copied))).to.deep.equal(everything(rootfs()));
    expect(final.filter(({ name }) => name === 'COPY' || name === 'ADD' || name === 'RUN')).to.have.length(1);
    expect(configurationOf(final)).to.deep.equal(config.config);
  });

  it('is built from images pinned by digest', () => {
    const stages = dockerfileStages(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
    const bases = stages.map(([from]) => from?.argument ?? '');

    expect(bases).to.have.length(2);
    for (const base of bases) expect(base).to.match(/^(\S+@sha256:[0-9a-f]{64} AS \w+|scratch)$/);
  });

  it('lists its parts in CycloneDX and carries their licences', () => {
    const { bomFormat, components } = JSON.parse(
      readFileSync(join(rootfs(), DOCUMENTS, 'sbom.cdx.json'), 'utf8'),
    );
    const licences = readFileSync(join(rootfs(), DOCUMENTS, 'THIRD-PARTY-LICENSES'), 'utf8');
    const names = components.map(({ name }: { name: string }) => name);

    expect(bomFormat).to.equal('CycloneDX');
    expect(names).to.include.members(['pino', 'cdk8s', '@bufbuild/protobuf', 'libc6', 'libstdc++6']);
    expect(names).to.include(`node-linux-${process.arch}`);
    expect(names).not.to.include.members(['mocha', 'esbuild', 'tar']);
    for (const { name, version } of components) expect(licences).to.contain(`\n${name} ${version} (`);
    expect(licences)
      .to.contain('Permission is hereby granted')
      .and.to.contain('GCC RUNTIME LIBRARY EXCEPTION');
    expect(readFileSync(join(rootfs(), DOCUMENTS, 'LICENSE'), 'utf8')).to.contain('Apache License');
  });
});

function expectedLoader(): string {
  return process.arch === 'arm64' ? 'lib/ld-linux-aarch64.so.1' : 'lib64/ld-linux-x86-64.so.2';
}

interface Found {
  readonly path: string;
  readonly mode: string;
  readonly digest: string;
}

/** Every file and folder below one, in order, with its mode and content. */
function everything(folder: string): Found[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const stat = lstatSync(join(folder, path));
      const content = stat.isFile() ? readFileSync(join(folder, path)) : '';
      const digest = createHash('sha256').update(content).digest('hex');
      return { path, mode: stat.mode.toString(8), digest };
    });
}

/** The configuration that Docker would write for these instructions. */
function configurationOf(stage: readonly Instruction[]): object {
  const argument = (name: string) => stage.find((instruction) => instruction.name === name)?.argument ?? '';

  return {
    User: argument('USER'),
    Env: Object.entries(keyValues(argument('ENV'))).map(([key, value]) => `${key}=${value}`),
    Entrypoint: JSON.parse(argument('ENTRYPOINT')),
    Labels: keyValues(argument('LABEL')),
    WorkingDir: argument('WORKDIR'),
  };
}
