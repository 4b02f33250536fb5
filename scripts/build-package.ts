// Builds the constructs' package in .build/constructs, ready for `npm pack`: one CommonJS file, because cdk8s' own template
// runs its tests with jest, and the type declarations beside it. cdk8s and constructs are peers: two copies of them in one
// app would not recognize each other's constructs. Nothing that only the operator's processes need comes along.

import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const root = dirname(import.meta.dirname);
const folder = join(root, '.build/constructs');
const lib = join(folder, 'lib');

function manifest(): object {
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

  return {
    name,
    version,
    license,
    description: 'cdk8s constructs for rstream tunnels: Operator, Crds, RstreamConnection, RstreamTunnel',
    keywords: ['cdk8s', 'kubernetes', 'rstream', 'tunnel'],
    main: 'lib/index.js',
    types: 'lib/charts-ts/index.d.ts',
    files: ['lib'],
    engines: { node: '>=18' },
    peerDependencies: { cdk8s: '^2.70.0', 'cdk8s-plus-28': '^2.5.0', constructs: '^10.4.0' },
  };
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

async function bundle(): Promise<void> {
  await build({
    entryPoints: [join(root, 'charts-ts/index.ts')],
    outfile: join(lib, 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node18',
    packages: 'external',
    logLevel: 'warning',
  });
}

function declare(): void {
  const config = join(folder, 'tsconfig.json');
  writeJson(config, {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: root,
      outDir: lib,
    },
    include: [],
    files: [join(root, 'charts-ts/index.ts')],
  });
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' });
  rmSync(config);

  // Declarations keep the `.ts` of relative imports, which only the sources can follow.
  for (const file of globSync(`${lib}/**/*.d.ts`)) {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replaceAll(/(from '\.[^']*|import\("\.[^"]*)\.ts(['"])/g, '$1$2'));
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(lib, { recursive: true });
writeJson(join(folder, 'package.json'), manifest());
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
copyFileSync(join(root, 'docs/constructs.md'), join(folder, 'README.md'));
await bundle();
declare();
