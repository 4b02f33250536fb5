// Imports point one way, as docs/architecture.md draws it; checked for every file of the tree.

import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';

const root = new URL('..', import.meta.url).pathname;

/** Rooms, and the rooms and packages each may import from. `node:` is open to all. */
const rules: Readonly<Record<string, readonly RegExp[]>> = {
  'src/common': [/^src\/common\//, /^(pino|prom-client|ipaddr\.js|commander)$/],
  'src/api': [/^src\/(api|common)\//, /^generated\//, /^charts-ts\/schema\//, /^yaml$/],
  'src/kube': [/^src\/(kube|common)\//, /^prom-client$/],
  'src/rstream': [/^src\/(rstream|common)\//, /^generated\/protobuf\//],
  'src/agent': [/^src\/(agent|api|common|kube|rstream)\//, /^generated\/protobuf\//, /^prom-client$/],
  'src/manager': [/^src\/(manager|api|common|kube)\//, /^generated\//, /^charts-ts\//],
  'src/dev-engine': [/^src\/(dev-engine|rstream|common)\//, /^generated\/protobuf\//],
  'charts-ts': [
    /^charts-ts\//,
    /^src\/(api|common)\//,
    /^generated\//,
    /^(cdk8s|cdk8s-plus-\d+|constructs|yaml)$/,
  ],
};

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'|(?:^|\n)import\s+'([^']+)'|import\('([^']+)'\)/g;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

describe('imports', () => {
  let imports: readonly Import[];

  before(async () => {
    const folders = await Promise.all(['src', 'charts-ts'].map((folder) => filesOf(folder)));
    imports = folders.flat().flatMap(importsOf);
  });

  it('are found at all', () => {
    expect(imports.length).to.be.greaterThan(300);
  });

  for (const [room, allowed] of Object.entries(rules)) {
    it(`of ${room} stay within what it may know`, () => {
      const outside = imports
        .filter(({ from }) => from.startsWith(`${room}/`))
        .filter(({ to }) => !to.startsWith('node:') && isInternalOrLimited(room, to))
        .filter(({ to }) => !allowed.some((pattern) => pattern.test(to)));
      expect(outside.map(({ from, to }) => `${from} → ${to}`)).to.deep.equal([]);
    });
  }

  it('of @kubernetes/client-node happen in src/kube/kubeconfig.ts only', () => {
    const users = imports.filter(({ to, typeOnly }) => to === '@kubernetes/client-node' && !typeOnly);
    expect(new Set(users.map(({ from }) => from))).to.deep.equal(new Set(['src/kube/kubeconfig.ts']));
  });

  it('of cdk8s happen in charts-ts only', () => {
    const users = imports.filter(({ to }) => /^(cdk8s|constructs)/.test(to) && !to.startsWith('charts-ts'));
    expect(users.filter(({ from }) => !from.startsWith('charts-ts/'))).to.deep.equal([]);
  });

  it('reach neither cdk8s nor client-node from the agent, however far they are followed', () => {
    const reached = reachable('src/agent/main.ts', imports);
    expect([...reached].filter((name) => /^(cdk8s|constructs|@kubernetes)/.test(name))).to.deep.equal([]);
    expect(
      [...reached].filter((name) => /^(src\/manager|src\/dev-engine|charts-ts)\//.test(name)),
    ).to.deep.equal([]);
  });

  it('never name the manager or the agent from outside', () => {
    const users = imports.filter(({ from, to }) => {
      const [, room] = /^src\/(manager|agent)\//.exec(to) ?? [];
      return room !== undefined && !from.startsWith(`src/${room}/`);
    });
    expect(users).to.deep.equal([]);
  });
});

/** Everything inside the tree is judged; packages only for the rooms whose patterns name some. */
function isInternalOrLimited(room: string, to: string): boolean {
  return (
    /^(src|charts-ts|generated|test|scripts)\//.test(to) || room === 'src/common' || room === 'src/agent'
  );
}

function reachable(entry: string, imports: readonly Import[]): Set<string> {
  const reached = new Set<string>([entry]);
  for (const name of reached) {
    for (const { from, to, typeOnly } of imports) if (from === name && !typeOnly) reached.add(to);
  }
  return reached;
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(importPattern)].map((match) => {
    const [, type, named, bare, dynamic] = match;
    const target = named ?? bare ?? dynamic ?? '';
    const to = target.startsWith('.') ? relative(root, join(root, dirname(file), target)) : target;
    return { from: file, to, typeOnly: type !== undefined };
  });
}
