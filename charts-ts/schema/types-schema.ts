// Turns a schema of ours into the JSON Schema that json-schema-to-typescript makes types from: fragments of one title
// become one object, and so one named interface, whatever their descriptions.

import type { JSONSchema } from 'json-schema-to-typescript';

import { meaningOf, type Schema } from './json-schema.ts';

export function typesSchema(schema: Schema): JSONSchema {
  return convert(schema, new Map());
}

function convert(schema: Schema, named: Map<string, JSONSchema>): JSONSchema {
  const { title, description, typeDescription = description } = schema;
  if (title === undefined) return plain(schema, named);

  const shared = named.get(title) ?? { ...plain(schema, named), title };
  if (typeDescription !== undefined) shared.description = typeDescription;
  named.set(title, shared);
  return description === shared.description ? shared : { description: description ?? '', allOf: [shared] };
}

function plain(schema: Schema, named: Map<string, JSONSchema>): JSONSchema {
  const { type, required, properties, additionalProperties, items, anyOf } = schema;
  const result: JSONSchema = {};
  const description = meaningOf(schema);

  if (description !== undefined) result.description = description;
  if (schema.enum !== undefined) result.enum = [...schema.enum];
  if (anyOf !== undefined) result.anyOf = anyOf.map((one) => convert(one, named));
  else if (type !== undefined) result.type = type;
  if (required !== undefined) result.required = [...required];
  if (items !== undefined) result.items = convert(items, named);
  if (properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, convert(value, named)]),
    );
  }
  if (type === 'object') {
    result.additionalProperties =
      additionalProperties === undefined ? false : convert(additionalProperties, named);
  }
  return result;
}
