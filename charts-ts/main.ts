// The cdk8s app: writes every file of dist/ itself, because `cdk8s synth` empties that folder first.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { distFiles } from './dist.ts';

const outdir = process.env.CDK8S_OUTDIR ?? 'dist';

rmSync(outdir, { recursive: true, force: true });
for (const [path, content] of distFiles()) {
  const file = join(outdir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
