// docs/api.md against the CRDs that are shipped: no field, rule or column is missing.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
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

function* fields(schema: Schema, prefix = ''): Generator<readonly [string, Schema]> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    yield [path, field];
    if (kubernetes.has(path)) continue;
    yield* fields(field, `${path}.`);
    if (field.items) yield* fields(field.items, `${path}[].`);
  }
}

/** Every upper bound of a field, and of what is in its list or map. */
function boundsOf(field: Schema): readonly number[] {
  const { items = {}, additionalProperties: values } = field;
  const inside = [items, typeof values === 'object' ? values : {}];
  return [field, ...inside].flatMap(({ maxLength, maxItems, maxProperties }) =>
    [maxLength, maxItems, maxProperties].filter((bound) => bound !== undefined),
  );
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
        expect(rows.map(([, path]) => path)).to.deep.equal(
          [...fields(schema.properties?.[part] ?? {})].map(([path]) => path),
        );
      });
    }

    it(`tells how long texts, lists and maps of an ${kind} may be`, () => {
      const text = section(`### ${kind}: spec`);
      const untold = [...fields(schema.properties?.spec ?? {})].flatMap(([path, field]) => {
        const row = text.split('\n').find((line) => line.startsWith(`| \`${path}\` `));
        const missing = boundsOf(field).filter(
          (bound) => !new RegExp(`\\b${bound} (characters|items|entries)`).test(row ?? ''),
        );
        return kubernetes.has(path) ? [] : missing.map((bound) => `${path}: ${bound}`);
      });
      expect(untold).to.deep.equal([]);
    });

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
