// Validates specs of both resources in this process as the API server would: the same paths, and for rules the same
// sentences. As there, rules are judged only where the structure allows it.

import { connectionSchema } from './connection.ts';
import type { Schema } from './json-schema.ts';
import { fieldSchema, isObject, structuralViolations, type Violation, withDefaults } from './structure.ts';
import { tunnelSchema } from './tunnel.ts';

export type { Violation } from './structure.ts';

/** What is wrong with the spec of an RstreamTunnel; nothing when the API server would take it. */
export function validateTunnel(spec: unknown): readonly Violation[] {
  return validate(tunnelSchema, spec);
}

/** What is wrong with the spec of an RstreamConnection; nothing when the API server would take it. */
export function validateConnection(spec: unknown): readonly Violation[] {
  return validate(connectionSchema, spec);
}

/** A sentence per violation, led by its path: what an error message can show. */
export function describeViolations(violations: readonly Violation[]): string {
  return violations.map(({ path, message }) => `${path}: ${message}`).join('; ');
}

/** What is wrong with the spec of a resource of this schema; nothing when the API server would take it. */
export function validate(schema: Schema, spec: unknown): readonly Violation[] {
  const specSchema = schema.properties?.spec ?? {};
  if (spec === null || spec === undefined) return [{ path: 'spec', message: 'Required value' }];

  const value = withDefaults(specSchema, spec);
  const structural = structuralViolations(specSchema, value, 'spec');
  const rules = structural.some(({ blocking }) => blocking) ? [] : ruleViolations(specSchema, value, 'spec');
  return [...structural.map(({ path, message }) => ({ path, message })), ...rules];
}

function ruleViolations(schema: Schema, value: unknown, path: string): readonly Violation[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  const own = rules.filter((rule) => !rule.check(value)).map(({ message }) => ({ path, message }));

  return [...own, ...childViolations(schema, value, path)];
}

function childViolations(schema: Schema, value: unknown, path: string): readonly Violation[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => ruleViolations(schema.items ?? {}, item, `${path}[${index}]`));
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, field]) =>
    ruleViolations(fieldSchema(schema, key) ?? {}, field, `${path}.${key}`),
  );
}
