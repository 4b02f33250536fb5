import { expect } from 'chai';

import { connectionSchema } from '../../../charts-ts/schema/connection.ts';
import { crdSchema } from '../../../charts-ts/schema/crd-schema.ts';
import type { Schema } from '../../../charts-ts/schema/json-schema.ts';
import { tunnelSchema } from '../../../charts-ts/schema/tunnel.ts';

const resources: readonly (readonly [string, Schema])[] = [
  ['RstreamConnection', connectionSchema],
  ['RstreamTunnel', tunnelSchema],
];

for (const [name, schema] of resources) {
  describe(`schema of ${name}`, () => {
    const all = [...nodes(schema, name)];

    it('describes every field in a sentence', () => {
      const bare = all.filter(
        ({ path, node }) => !path.endsWith(']') && !/\S.*[.)]$/.test(node.description ?? ''),
      );

      expect(bare.map(({ path }) => path).filter((path) => !path.includes('.agent.'))).to.deep.equal([]);
    });

    it('bounds every string, list and map of its own', () => {
      const unbounded = all.filter(({ path, node }) => !isKubernetes(path) && !isBounded(node));

      expect(unbounded.map(({ path }) => path)).to.deep.equal([]);
    });

    it('is rendered without titles and checks', () => {
      const text = JSON.stringify(crdSchema(schema));

      expect(text)
        .to.not.contain('"title"')
        .and.to.not.contain('typeDescription')
        .and.to.not.contain('"check"');
      expect(text).to.contain('x-kubernetes-validations').and.to.contain('"metadata":{"type":"object"}');
    });

    it('tells every default of the spec in words, since kubectl explain shows none', () => {
      const defaults = [...nodes(crdSchema(schema) as Schema, name)].filter(
        ({ path, node }) => node.default !== undefined && path !== `${name}.status`,
      );

      expect(defaults).not.to.be.empty;
      for (const { path, node } of defaults) {
        expect(node.description, path)
          .to.match(/\. Default: .+\.$/)
          .and.to.include(JSON.stringify(node.default));
      }
    });

    it('has a sentence of its own for every rule', () => {
      const rules = all.flatMap(({ node }) => node['x-kubernetes-validations'] ?? []);
      const messages = rules.map(({ message }) => message);

      expect(messages.filter((message) => message.length < 20 || message.includes('\n'))).to.deep.equal([]);
      expect(new Set(messages).size).to.equal(messages.length);
    });
  });
}

function* nodes(node: Schema, path: string): Generator<{ readonly path: string; readonly node: Schema }> {
  yield { path, node };
  for (const [key, child] of Object.entries(node.properties ?? {})) yield* nodes(child, `${path}.${key}`);
  if (node.items !== undefined) yield* nodes(node.items, `${path}[]`);
  if (node.additionalProperties !== undefined) yield* nodes(node.additionalProperties, `${path}[*]`);
}

/** Taken over from Kubernetes as it is; no rule looks inside. */
function isKubernetes(path: string): boolean {
  return /\.agent\.(resources|affinity|tolerations\[\]|topologySpreadConstraints\[\])/.test(path);
}

function isBounded(node: Schema): boolean {
  if (node.type === 'array') return node.maxItems !== undefined;
  if (node.additionalProperties !== undefined) return node.maxProperties !== undefined;
  if (node.type !== 'string') return true;
  const isFixedLength = node.pattern !== undefined && /\{\d+\}\$$/.test(node.pattern);
  return (
    node.maxLength !== undefined || node.enum !== undefined || node.format !== undefined || isFixedLength
  );
}
