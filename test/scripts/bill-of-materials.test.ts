import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { bundledFolders, copyrightFile } from '../../scripts/bill-of-materials.ts';

describe('bundledFolders', () => {
  it('names the packages that modules came from, nested ones apart, and none of our own files', () => {
    const inputs = [
      'src/manager/main.ts',
      'node_modules/pino/lib/a.js',
      'node_modules/pino/lib/b.js',
      'node_modules/@bufbuild/protobuf/dist/x.js',
      'node_modules/cdk8s/node_modules/yaml/index.js',
    ];
    const metafile = {
      inputs: Object.fromEntries(inputs.map((input) => [input, { bytes: 1, imports: [] }])),
      outputs: {},
    };

    expect(bundledFolders([metafile, metafile])).to.deep.equal([
      'node_modules/@bufbuild/protobuf',
      'node_modules/cdk8s/node_modules/yaml',
      'node_modules/pino',
    ]);
  });
});

describe('copyrightFile', () => {
  let documents: string;
  beforeEach(() => {
    documents = mkdtempSync(join(tmpdir(), 'documents-'));
    for (const folder of ['libc6', 'gcc-12-base']) {
      mkdirSync(join(documents, folder));
      writeFileSync(join(documents, folder, 'copyright'), '');
    }
  });
  afterEach(() => rmSync(documents, { recursive: true }));

  it('is the package’s own, or the one that GCC’s libraries share', () => {
    expect(copyrightFile('libc6', documents)).to.equal(join(documents, 'libc6/copyright'));
    expect(copyrightFile('libstdc++6', documents)).to.equal(join(documents, 'gcc-12-base/copyright'));
  });

  it('is not guessed', () => {
    expect(() => copyrightFile('ca-certificates', documents)).to.throw(
      'the licence of ca-certificates is not in',
    );
  });
});
