// Proves that the tables of refused manifests are complete: each rule and each bound of the schemas is taken away in turn,
// and the verdict on at least one manifest must be another one than before. The API server judges the same tables.

import { expect } from 'chai';
import { connectionSchema } from '../../../charts-ts/schema/connection.ts';
import type { Schema } from '../../../charts-ts/schema/json-schema.ts';
import { tunnelSchema } from '../../../charts-ts/schema/tunnel.ts';
import { validate } from '../../../charts-ts/schema/validate.ts';
import { connectionBoundCases, tunnelBoundCases } from '../../support/bound-cases.ts';
import { connectionCases } from '../../support/connection-cases.ts';
import { tunnelAgentCases } from '../../support/tunnel-agent-cases.ts';
import { tunnelCases } from '../../support/tunnel-cases.ts';

const bounds = ['pattern', 'enum', 'minLength', 'maxLength', 'minimum', 'maximum'] as const;
const sizes = ['minItems', 'maxItems', 'maxProperties'] as const;

/** Kubernetes' own types, whose details the API server's own validation of Pods covers. */
const kubernetes = /\.agent\.(?:resources|affinity|tolerations\[\]|topologySpreadConstraints\[\])/;
/** The pattern says so already; the bound keeps CEL's cost estimate low. */
const implied = new Set(['spec.target.service.namespace: maxLength']);

interface Weaker {
  readonly title: string;
  readonly schema: Schema;
}

/** Every schema that differs from this one by one thing less. */
function* weakerOnes(schema: Schema, path: string): Generator<Weaker> {
  if (kubernetes.test(`${path}.`)) return;
  for (const key of [...bounds, ...sizes]) {
    if (schema[key] === undefined) continue;
    const { [key]: _, ...rest } = schema;
    yield { title: `${path}: ${key}`, schema: rest };
  }
  for (const name of schema.required ?? []) {
    const required = schema.required?.filter((other) => other !== name) ?? [];
    yield { title: `${path}: ${name} is required`, schema: { ...schema, required } };
  }
  const rules = schema['x-kubernetes-validations'] ?? [];
  for (const rule of rules) {
    const others = rules.filter((other) => other !== rule);
    yield {
      title: `${path}: ${rule.message}`,
      schema: { ...schema, 'x-kubernetes-validations': others },
    };
  }
  yield* weakerParts(schema, path);
}

function* weakerParts(schema: Schema, path: string): Generator<Weaker> {
  const { properties = {}, items, additionalProperties } = schema;
  for (const [name, property] of Object.entries(properties)) {
    for (const weaker of weakerOnes(property, `${path}.${name}`)) {
      yield { ...weaker, schema: { ...schema, properties: { ...properties, [name]: weaker.schema } } };
    }
  }
  for (const weaker of items ? weakerOnes(items, `${path}[]`) : []) {
    yield { ...weaker, schema: { ...schema, items: weaker.schema } };
  }
  for (const weaker of additionalProperties ? weakerOnes(additionalProperties, `${path}{}`) : []) {
    yield { ...weaker, schema: { ...schema, additionalProperties: weaker.schema } };
  }
}

/** Rules rely on the structure they stand on: one that meets something else is a verdict too. */
function verdict(schema: Schema, spec: unknown): string {
  try {
    return JSON.stringify(validate(schema, spec));
  } catch (error) {
    return String(error);
  }
}

const tables = [
  {
    name: 'RstreamConnection',
    schema: connectionSchema,
    cases: [...connectionCases, ...connectionBoundCases],
  },
  {
    name: 'RstreamTunnel',
    schema: tunnelSchema,
    cases: [...tunnelCases, ...tunnelAgentCases, ...tunnelBoundCases],
  },
];

describe('the refused manifests', () => {
  for (const { name, schema, cases } of tables) {
    it(`of ${name} need every rule and every bound of its schema`, () => {
      const refused = cases.filter((one) => one.refused !== undefined);
      const { spec = {} } = schema.properties ?? {};
      const all = [...weakerOnes(spec, 'spec')].filter(({ title }) => !implied.has(title));
      const verdicts = refused.map((one) => verdict(schema, one.spec));
      const unnoticed = all.filter(({ schema: weaker }) => {
        const whole = { ...schema, properties: { spec: weaker } };
        return refused.every((one, at) => verdict(whole, one.spec) === verdicts[at]);
      });

      expect(all.length).to.be.greaterThan(60);
      expect(unnoticed.map(({ title }) => title)).to.deep.equal([]);
    });
  }
});
