import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { distFiles } from '../../charts-ts/dist.ts';
import { DEFAULT_IMAGE } from '../../charts-ts/image.ts';
import { OPERATOR_VERSION } from '../../src/common/version.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('dist/', () => {
  it('holds exactly what `make generate` would write', () => {
    const folder = join(ROOT, 'dist');
    const present = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
      statSync(join(folder, path)).isFile(),
    );

    expect(present.sort()).to.deep.equal([...distFiles().keys()].sort());
    for (const [path, content] of distFiles()) {
      expect(readFileSync(join(folder, path), 'utf8'), `dist/${path} is stale: run make generate`).to.equal(
        content,
      );
    }
  });

  it('is the same text every time', () => {
    expect([...distFiles()]).to.deep.equal([...distFiles()]);
  });

  it('names this release', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

    expect(OPERATOR_VERSION).to.equal(version);
    expect(distFiles().get('operator.yaml')).to.contain(`image: ${DEFAULT_IMAGE}\n`);
  });

  it('keeps the CRDs in a file of their own', () => {
    const kinds = (path: string) =>
      parseAllDocuments(distFiles().get(path) ?? '').map((document) => document.get('kind'));

    expect(kinds('crds.yaml')).to.deep.equal(['CustomResourceDefinition', 'CustomResourceDefinition']);
    expect(kinds('operator.yaml')).not.to.include('CustomResourceDefinition');
  });
});
