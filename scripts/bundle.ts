// Bundles each process into one CommonJS file without extension, which the image runs by its shebang: rstream-manager and
// rstream-agent. The dev engine becomes engine.cjs, which the demo mounts from a ConfigMap; no image contains it.

import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { writeWholeFile } from './whole-file.ts';

const root = dirname(import.meta.dirname);

export interface Bundle {
  readonly name: string;
  readonly entry: string;
  /**
   * `all`: small enough for a ConfigMap. `spaces`: names stay, so that stack traces can be read; the rest costs the agent
   * 2 MB of resident memory and the manager 5.
   */
  readonly minify: 'nothing' | 'spaces' | 'all';
  /**
   * Whether classes and functions get their own names back at run time, so that error names and codes read the same as in the
   * source. It costs a call per closure, 0.15 ms of CPU per stream of the agent: there it is enough that none has to change.
   */
  readonly restoreNames: boolean;
}

export const bundles: readonly Bundle[] = [
  { name: 'rstream-manager', entry: 'src/manager/main.ts', minify: 'spaces', restoreNames: true },
  { name: 'rstream-agent', entry: 'src/agent/main.ts', minify: 'spaces', restoreNames: false },
  { name: 'engine.cjs', entry: 'src/dev-engine/main.ts', minify: 'all', restoreNames: true },
];

export const bundleFolder = join(root, '.build', 'bundle');

/** Writes one bundle and returns its path; `metafile` names every module that went into it. */
export async function writeBundle(
  bundle: Bundle,
): Promise<{ readonly file: string; readonly metafile: Metafile }> {
  mkdirSync(bundleFolder, { recursive: true });
  const file = join(bundleFolder, bundle.name);
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [bundle.entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    minifyIdentifiers: bundle.minify === 'all',
    minifySyntax: bundle.minify !== 'nothing',
    minifyWhitespace: bundle.minify !== 'nothing',
    keepNames: bundle.restoreNames,
    legalComments: 'eof',
    metafile: true,
    write: false,
    logLevel: 'error',
  });
  // The source's own first line is for people who run it from a checkout.
  const script = (outputFiles[0]?.text ?? '').replace(/^#!.*\n/, '');
  if (!bundle.restoreNames) checkErrorNames(script);
  writeWholeFile(file, `#!/usr/local/bin/node\n${script}`, 0o755);
  // So that these files are CommonJS here too, below a package that says "module".
  writeWholeFile(join(bundleFolder, 'package.json'), '{ "type": "commonjs" }\n');
  return { file, metafile };
}

/** Where nothing restores names, no error may have lost its own to another of the same name. */
function checkErrorNames(script: string): void {
  const [renamed] = /\w+Error\d+ ?= ?class\b|class \w+Error\d+/.exec(script) ?? [];
  if (renamed) throw new Error(`two errors have the same name; one of them became "${renamed}"`);
}

if (import.meta.main) {
  for (const bundle of bundles) {
    const { file } = await writeBundle(bundle);
    console.log(`${file} ${Math.ceil(statSync(file).size / 1024)} KiB`);
  }
}
