// The package as somebody else uses it: packed, installed into an app as `cdk8s init typescript-app` makes it, compiled with
// that app's TypeScript, tested with its jest, synthesized with its cdk8s, and applied to a real API server.

import { execFile } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { distFiles } from '../../charts-ts/dist.ts';
import { installCrds } from '../support/crds.ts';
import { documentedCommands } from '../support/documented.ts';
import { parseManifests } from '../support/helm.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TEMPLATE = join(ROOT, 'node_modules/cdk8s-cli/templates/typescript-app');
const EXAMPLES = [
  ...readFileSync(join(ROOT, 'docs/constructs.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g),
];

const MAIN = `
import { Construct } from 'constructs';
import { App, Chart, ChartProps } from 'cdk8s';
import { Deployment } from 'cdk8s-plus-33';
import { Crds, Operator, RstreamConnection, RstreamTunnel } from 'rstream-operator';

export class MyChart extends Chart {
  constructor(scope: Construct, id: string, props: ChartProps = {}) {
    super(scope, id, props);

    new Crds(this, 'crds');
    new Operator(this, 'operator');
    const connection = new RstreamConnection(this, 'connection', {
      metadata: { name: 'default' },
      spec: { engine: 'engine.example.com', tokenSecretRef: { name: 'engine', key: 'token' } },
    });
    const web = new Deployment(this, 'web', {
      containers: [{ image: 'example.com/web:1', portNumber: 8080 }],
    });
    RstreamTunnel.fromDeployment(this, 'tunnel', web, { connection, service: { name: 'web' } });
  }
}

const app = new App();
new MyChart(app, 'app');
app.synth();
`;

const BROKEN = `
import { Chart, Testing } from 'cdk8s';
import { RstreamTunnel } from 'rstream-operator';

test('an invalid spec fails as the API server would fail it', () => {
  const chart = Testing.chart();
  new RstreamTunnel(chart, 'tunnel', {
    spec: { target: { service: { name: 'web', port: 80 } }, tcpPort: 1234 },
  });
  expect(() => Testing.synth(chart)).toThrow('spec: tcpPort needs protocol tcp');
});

test('Chart is the app\\'s own', () => {
  expect(Testing.chart()).toBeInstanceOf(Chart);
});
`;

describe('the constructs’ package', function () {
  this.timeout(600_000);

  const app = mkdtempSync(join(tmpdir(), 'constructs-app-'));

  before(async () => {
    await run(process.execPath, [join(ROOT, 'scripts/build-package.ts')], ROOT);
    await run('npm', ['pack', '--silent', '--pack-destination', app], join(ROOT, '.build/constructs'));
    scaffold();
    for (const command of documentedCommands('docs/constructs.md')) await install(command);
  });

  /** The documented command, with the tarball in place of the published package. */
  async function install(command: string): Promise<void> {
    const [tarball = ''] = globSync('rstream-operator-*.tgz', { cwd: app });
    const [program = '', ...args] = command.replace(' rstream-operator ', ` ./${tarball} `).split(' ');

    expect(args).to.include(`./${tarball}`);
    await run(program, [...args, '--no-audit', '--no-fund', '--prefer-offline', '--no-progress'], app);
  }

  after(() => rmSync(app, { recursive: true, force: true }));

  /** The app that `cdk8s init typescript-app` makes. */
  function scaffold(): void {
    cpSync(TEMPLATE, app, { recursive: true, filter: (path) => !/__snapshots__|\.hooks/.test(path) });
    const manifest = JSON.parse(
      readFileSync(join(app, 'package.json'), 'utf8')
        .replace('{{ $base }}', 'my-app')
        .replace('{{ cdk8s_core_version }}', '2.70.0')
        .replace('{{ cdk8s_plus_version }}', '2.0.0')
        .replace('{{ constructs_version }}', '10.4.0')
        .replace('{{ cdk8s_cli_spec }}', '^2'),
    );
    writeFileSync(join(app, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(app, 'main.ts'), MAIN);
    writeFileSync(join(app, 'broken.test.ts'), BROKEN);
    EXAMPLES.forEach(([, code = ''], index) => {
      writeFileSync(join(app, `example-${index}.ts`), code);
    });
  }

  it('brings nothing that only the operator’s processes need', () => {
    const lock = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8'));
    const installed = lock.packages['node_modules/rstream-operator'];

    expect(installed).not.to.have.property('dependencies');
    expect(Object.keys(installed.peerDependencies)).to.have.members(['cdk8s', 'cdk8s-plus-28', 'constructs']);
  });

  it('compiles, passes the app’s tests and synthesizes', async () => {
    await run('npm', ['run', 'compile'], app);
    await run('npm', ['run', 'test', '--', '-u'], app);
    await run('npm', ['run', 'synth'], app);

    const kinds = parseManifests(readFileSync(join(app, 'dist/app.k8s.yaml'), 'utf8')).map(
      ({ kind }) => kind,
    );
    expect(kinds).to.include.members([
      'CustomResourceDefinition',
      'Service',
      'RstreamConnection',
      'RstreamTunnel',
    ]);
  });

  it('synthesizes what dist/ holds', async () => {
    const synthesized = parseManifests(readFileSync(join(app, 'dist/app.k8s.yaml'), 'utf8'));

    for (const file of ['crds.yaml', 'operator.yaml']) {
      expect(synthesized).to.deep.include.members(parseManifests(distFiles().get(file) ?? ''));
    }
  });

  it('gives manifests that a real API server takes', async () => {
    const kube = await KubeApiserver.start();
    try {
      await installCrds(kube);
      const applied = await kube.kubectl([
        'apply',
        '--server-side',
        '-f',
        join(app, 'dist/app.k8s.yaml'),
        '-o',
        'name',
      ]);

      expect(applied).to.contain('rstreamtunnel.tunnels.rstream.io/');
    } finally {
      await kube.stop();
    }
  });

  EXAMPLES.forEach((_, index) => {
    it(`runs example ${index + 1} of docs/constructs.md`, async () => {
      // Compiled with the app before; what cannot be compiled has failed there.
      await run(process.execPath, [`example-${index}.js`], app, {
        CDK8S_OUTDIR: join(app, `example-${index}`),
      });

      const manifests = globSync(join(app, `example-${index}/*.yaml`)).flatMap((file) =>
        parseManifests(readFileSync(file, 'utf8')),
      );
      expect(manifests).not.to.deep.equal([]);
    });
  });

  it('is not needed for types alone: cdk8s import reads the CRDs', async () => {
    const cli = join(ROOT, 'node_modules/.bin/cdk8s');
    await run(
      cli,
      ['import', join(ROOT, 'dist/crds.yaml'), '--output', 'imports', '--language', 'typescript'],
      app,
    );

    const [file = ''] = globSync(join(app, 'imports/*.ts'));
    expect(readFileSync(file, 'utf8')).to.contain('export class RstreamTunnel extends ApiObject');
  });
});

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const options = { cwd, env: { ...process.env, ...env, CI: '1' }, maxBuffer: 64 * 1024 * 1024 };

  await promisify(execFile)(command, [...args], options).catch((error) => {
    throw new Error(`${command} ${args.join(' ')} failed:\n${error.stdout}\n${error.stderr}`);
  });
}
