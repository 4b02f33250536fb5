// Turns a schema of ours into the openAPIV3Schema of a CustomResourceDefinition: titles and TypeScript checks go, and
// apiVersion, kind and metadata come in at the root.

import { meaningOf, type Schema } from './json-schema.ts';

type Json = Record<string, unknown>;

const identity: Json = {
  apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
  kind: { type: 'string', description: 'Kind of this object.' },
  metadata: { type: 'object' },
};

export function crdSchema(schema: Schema): Json {
  const root = structural(schema);
  return { ...root, properties: { ...identity, ...(root.properties as Json | undefined) } };
}

function structural(schema: Schema): Json {
  const { title: _, typeDescription: __, properties, additionalProperties, items, ...rest } = schema;
  const result: Json = { ...rest };
  const description = meaningOf(schema);

  if (description !== undefined) result.description = description;
  if (properties !== undefined) result.properties = mapValues(properties, structural);
  if (additionalProperties !== undefined) result.additionalProperties = structural(additionalProperties);
  if (items !== undefined) result.items = structural(items);
  const rules = schema['x-kubernetes-validations'];
  if (rules !== undefined) {
    result['x-kubernetes-validations'] = rules.map(({ rule, message }) => ({ rule, message }));
  }
  return result;
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
