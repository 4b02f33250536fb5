// Small typed readers for untrusted plain data: each turns a value at a path into its type, or throws an
// AgentConfigError that names the path. Absent, null and "" are the same.

import { parseDuration } from '../common/duration.ts';
import { AgentConfigError } from './errors.ts';

/** Reads the value found at `path`. */
export type Shape<T> = (value: unknown, path: string) => T;

/** The reader of each key; one made with `optional` yields undefined, and the key is then left out. */
export type Fields<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

export function string(value: unknown, path: string): string {
  if (isUnset(value)) throw new AgentConfigError(path, 'is required');
  if (typeof value !== 'string') throw new AgentConfigError(path, `must be a string, not ${describe(value)}`);
  return value;
}

export function boolean(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean')
    throw new AgentConfigError(path, `must be true or false, not ${describe(value)}`);
  return value;
}

/** A port number. */
export function port(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new AgentConfigError(path, `must be a port from 1 to 65535, not ${describe(value)}`);
}

/** A port number written as a string; a bare number is taken too. */
export function portString(value: unknown, path: string): string {
  if (isUnset(value)) throw new AgentConfigError(path, 'is required');
  const isDecimal = typeof value === 'string' && /^\d{1,5}$/.test(value);
  return String(port(isDecimal ? Number(value) : value, path));
}

/** A duration such as `30s`, kept as written. */
export function duration(value: unknown, path: string): string {
  const text = string(value, path);
  if (parseDuration(text) !== undefined) return text;
  throw new AgentConfigError(path, `must be a duration such as 500ms, 30s or 1m, not ${describe(value)}`);
}

export function oneOf<const T extends string>(...choices: readonly T[]): Shape<T> {
  return (value, path) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined)
      throw new AgentConfigError(path, `must be one of ${choices.join(', ')}, not ${describe(value)}`);
    return choice;
  };
}

export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new AgentConfigError(path, `must be a list, not ${describe(value)}`);
    return value.map((element, index) => item(element, `${path}[${index}]`));
  };
}

export function mapOf<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, path) =>
    Object.fromEntries(entriesOf(value, path).map(([key, element]) => [key, item(element, join(path, key))]));
}

export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (isUnset(value) ? undefined : shape(value, path));
}

/** A mapping with exactly these keys. */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const readers = new Map<string, Shape<unknown>>(Object.entries(fields));

  return (value, path) => {
    const values = new Map(isUnset(value) ? [] : entriesOf(value, path));
    for (const key of values.keys()) {
      if (!readers.has(key)) throw new AgentConfigError(join(path, key), 'is not a known key');
    }

    const result: [string, unknown][] = [];
    for (const [key, read] of readers) {
      const element = read(values.get(key), join(path, key));
      if (element !== undefined) result.push([key, element]);
    }
    // Every key of T was read by its own reader above; TypeScript cannot follow that through a Map.
    return Object.fromEntries(result) as T;
  };
}

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (!(value instanceof Map)) throw new AgentConfigError(path, `must be a mapping, not ${describe(value)}`);
  return [...value].map(([key, element]) => {
    if (typeof key !== 'string')
      throw new AgentConfigError(join(path, String(key)), 'is not a known key; quote it');
    return [key, element];
  });
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function join(path: string, key: string): string {
  const shown = key.length <= 64 ? key : `${key.slice(0, 63)}…`;
  return path === '' ? shown : `${path}.${shown}`;
}

function describe(value: unknown): string {
  if (isUnset(value)) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 64 ? text : `${text.slice(0, 63)}…`;
}
