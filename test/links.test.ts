// Every relative link of every document leads somewhere, headings included, and an index names all that lies beside it.

import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

const root = dirname(import.meta.dirname);
const documents = globSync(['*.md', 'docs/**/*.md', 'samples/**/*.md', 'dist/**/*.md'], { cwd: root });

describe('links', () => {
  it('are in documents that are found at all', () => {
    expect(documents).to.include.members(['README.md', 'CONTRIBUTING.md', 'docs/architecture.md']);
  });

  for (const document of documents) {
    it(`of ${document} lead somewhere`, () => {
      const broken = linksOf(document).filter(
        (link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(document, link),
      );

      expect(broken).to.deep.equal([]);
    });
  }
});

describe('an index', () => {
  for (const folder of ['docs', 'docs/adr', 'samples']) {
    it(`names everything in ${folder}/`, () => {
      const links = linksOf(`${folder}/README.md`).map((link) => link.split('/')[0]);
      const beside = readdirSync(join(root, folder)).filter((name) => name !== 'README.md');

      expect(links).to.include.members(beside);
    });
  }
});

/** Their targets, without those of examples. */
function linksOf(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/^```[\s\S]*?^```|`[^`\n]*`/gm, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const file = path === '' ? join(root, document) : join(root, dirname(document), path);
  if (!existsSync(file)) return false;
  if (heading === undefined || statSync(file).isDirectory()) return true;
  return headings(readFileSync(file, 'utf8')).includes(heading);
}

/** As code hosts derive them: lower case, spaces become hyphens, other punctuation goes. */
function headings(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
