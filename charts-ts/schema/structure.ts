// Checks plain data against a structural schema the way the API server does, with the same paths: first nulls go and
// defaults come in, then the structure is checked. Wording follows the API server's where it has one.

import type { Schema } from './json-schema.ts';
import { matches } from './patterns.ts';

/** Something wrong with one field. */
export interface Violation {
  /** Like `spec.target.service.port`. */
  readonly path: string;
  readonly message: string;
}

/** A violation of structure. While one is `blocking`, the API server does not judge rules. */
export interface StructuralViolation extends Violation {
  readonly blocking: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** `value` without nulls and undefined, and with the defaults of `schema` where nothing is set. */
export function withDefaults(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema.items ?? {}, item));
  if (!isObject(value)) return value;

  const set = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  const fields = new Map(
    set.map(([key, field]) => [key, withDefaults(fieldSchema(schema, key) ?? {}, field)]),
  );
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (field.default !== undefined && !fields.has(key)) fields.set(key, field.default);
  }
  return Object.fromEntries(fields);
}

/** What is wrong with the structure of `value`; nothing when it fits. */
export function structuralViolations(
  schema: Schema,
  value: unknown,
  path: string,
): readonly StructuralViolation[] {
  const wrongType = typeViolation(schema, value, path);
  if (wrongType !== undefined) return [wrongType];
  if (typeof value === 'string') return stringViolations(schema, value, path);
  if (typeof value === 'number') return numberViolations(schema, value, path);
  if (Array.isArray(value)) return listViolations(schema, value, path);
  if (isObject(value)) return objectViolations(schema, value, path);
  return [];
}

/** The schema of one field of an object or map. */
export function fieldSchema(schema: Schema, key: string): Schema | undefined {
  const { properties, additionalProperties } = schema;
  return properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeViolation(schema: Schema, value: unknown, path: string): StructuralViolation | undefined {
  const actual = typeOf(value);
  if (schema['x-kubernetes-int-or-string']) {
    if (actual === 'integer' || actual === 'string') return undefined;
    return blocking(path, `${path} in body must be of type integer or string: "${actual}"`);
  }
  const fits =
    schema.type === undefined ||
    actual === schema.type ||
    (schema.type === 'number' && typeof value === 'number');
  return fits
    ? undefined
    : blocking(path, `${path} in body must be of type ${schema.format ?? schema.type}: "${actual}"`);
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float64';
  return typeof value;
}

function stringViolations(schema: Schema, value: string, path: string): readonly StructuralViolation[] {
  const { minLength = 0, maxLength = Infinity, pattern } = schema;
  const length = [...value].length;

  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [
      blocking(path, `Unsupported value: ${quoted([value])}: supported values: ${quoted(schema.enum)}`),
    ];
  }
  if (length > maxLength) return [blocking(path, `Too long: may not be more than ${maxLength} bytes`)];
  if (length < minLength) return [plain(path, `${path} in body should be at least ${minLength} chars long`)];
  const fits = pattern === undefined || matches(value, pattern);
  return fits ? [] : [plain(path, `${path} in body should match '${pattern}'`)];
}

function numberViolations(schema: Schema, value: number, path: string): readonly StructuralViolation[] {
  const { minimum = -Infinity, maximum = Infinity } = schema;
  if (value < minimum) return [plain(path, `${path} in body should be greater than or equal to ${minimum}`)];
  if (value > maximum) return [plain(path, `${path} in body should be less than or equal to ${maximum}`)];
  return [];
}

function listViolations(
  schema: Schema,
  value: readonly unknown[],
  path: string,
): readonly StructuralViolation[] {
  const { maxItems = Infinity, items = {} } = schema;
  const found = value.flatMap((item, index) => structuralViolations(items, item, `${path}[${index}]`));
  const tooMany = value.length > maxItems ? [tooManyItems(path, value.length, maxItems)] : [];

  return [...tooMany, ...found, ...duplicates(schema, value, path)];
}

function duplicates(schema: Schema, value: readonly unknown[], path: string): readonly StructuralViolation[] {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (keys === undefined) return [];

  const seen = new Set<string>();
  return value.flatMap((item, index) => {
    const identity = JSON.stringify(
      Object.fromEntries(keys.map((key) => [key, isObject(item) ? item[key] : undefined])),
    );
    if (!seen.has(identity)) {
      seen.add(identity);
      return [];
    }
    return [plain(`${path}[${index}]`, `Duplicate value: ${identity}`)];
  });
}

function objectViolations(schema: Schema, value: Json, path: string): readonly StructuralViolation[] {
  const { required = [], maxProperties = Infinity } = schema;
  const entries = Object.entries(value);
  const missing = required
    .filter((key) => !Object.hasOwn(value, key))
    .map((key) => blocking(`${path}.${key}`, 'Required value'));
  const tooMany = entries.length > maxProperties ? [tooManyItems(path, entries.length, maxProperties)] : [];
  const found = entries.flatMap(([key, field]) => {
    const fieldPath = `${path}.${key}`;
    const known = fieldSchema(schema, key);
    if (known === undefined) return [blocking(fieldPath, `unknown field "${fieldPath}"`)];
    return structuralViolations(known, field, fieldPath);
  });

  return [...missing, ...tooMany, ...found];
}

function tooManyItems(path: string, count: number, most: number): StructuralViolation {
  return blocking(path, `Too many: ${count}: must have at most ${most} items`);
}

function quoted(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}

function blocking(path: string, message: string): StructuralViolation {
  return { path, message, blocking: true };
}

function plain(path: string, message: string): StructuralViolation {
  return { path, message, blocking: false };
}
