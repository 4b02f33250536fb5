// docs/api.md against the CRDs that are shipped: no field, rule or column is missing.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string; readonly shortNames: readonly string[] };
    readonly versions: readonly {
      readonly schema: { readonly openAPIV3Schema: Schema };
      readonly additionalPrinterColumns: readonly { readonly name: string }[];
    }[];
  };
}

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/api.md', root), 'utf8');
const crds = parseAllDocuments(readFileSync(new URL('dist/crds.yaml', root), 'utf8')).map(
  (document) => document.toJS() as Crd,
);

/** Kubernetes' own types are documented by Kubernetes. */
const kubernetes = new Set([
  'agent.resources',
  'agent.tolerations',
  'agent.affinity',
  'agent.topologySpreadConstraints',
]);

function* paths(schema: Schema, prefix = ''): Generator<string> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    yield path;
    if (kubernetes.has(path)) continue;
    yield* paths(field, `${path}.`);
    if (field.items) yield* paths(field.items, `${path}[].`);
  }
}

function* messages(schema: Schema): Generator<string> {
  for (const { message } of schema['x-kubernetes-validations'] ?? []) yield message;
  const { items, additionalProperties } = schema;
  const below = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  for (const child of [...Object.values(schema.properties ?? {}), ...(items ? [items] : []), ...below])
    yield* messages(child);
}

function section(heading: string): string {
  const start = page.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`docs/api.md has no "${heading}"`);
  const end = page.indexOf('\n##', start + heading.length);
  return page.slice(start, end < 0 ? undefined : end);
}

describe('the API reference', () => {
  it('tells of both resources', () => {
    expect(crds.map(({ spec }) => spec.names.kind)).to.have.members(['RstreamConnection', 'RstreamTunnel']);
  });

  for (const { spec } of crds) {
    const { kind, shortNames } = spec.names;
    const [version] = spec.versions;
    const schema = version?.schema.openAPIV3Schema ?? {};

    for (const part of ['spec', 'status']) {
      it(`has a row with a meaning for every field of an ${kind}'s ${part}, and no other`, () => {
        const rows = [...section(`### ${kind}: ${part}`).matchAll(/^\| `([^`]+)` \| [^|]+ \| (\S.*) \|$/gm)];
        expect(rows.map(([, path]) => path)).to.deep.equal([...paths(schema.properties?.[part] ?? {})]);
      });
    }

    it(`has every rule of an ${kind}`, () => {
      const listed = section(`### ${kind}: rules`)
        .split('\n')
        .filter((line) => line.startsWith('- '));
      expect(listed).to.have.members([...messages(schema)].map((message) => `- ${message}`));
    });

    it(`names the columns and short names of ${kind}`, () => {
      const intro = section(`## ${kind}`);
      for (const name of shortNames) expect(intro).to.include(name);
      for (const { name } of version?.additionalPrinterColumns ?? []) expect(intro).to.include(name);
    });
  }
});
