// The three faces of the chart's values: values.yaml with comments, values.schema.json, and a table for the README.

import { stringify } from 'yaml';
import { CHART_VALUES, type ChartValue } from './values.ts';

/** Values by the first name of their paths; a leaf has one entry whose rest is empty. */
function grouped(values: readonly ChartValue[], depth: number): Map<string, ChartValue[]> {
  const groups = new Map<string, ChartValue[]>();

  for (const value of values) {
    const name = value.path.split('.')[depth] ?? '';
    groups.set(name, [...(groups.get(name) ?? []), value]);
  }
  return groups;
}

function leafOf(values: readonly ChartValue[], depth: number): ChartValue | undefined {
  const [first] = values;
  return first?.path.split('.').length === depth + 1 ? first : undefined;
}

export function valuesYaml(values: readonly ChartValue[] = CHART_VALUES, depth = 0): string {
  const indent = '  '.repeat(depth);

  return [...grouped(values, depth)]
    .map(([name, group]) => {
      const leaf = leafOf(group, depth);
      if (!leaf) return `${indent}${name}:\n${valuesYaml(group, depth + 1)}`;

      const yaml = stringify({ [name]: leaf.default }, { lineWidth: 0 })
        .trimEnd()
        .replaceAll('\n', `\n${indent}`);
      return `${indent}# ${leaf.description}\n${indent}${yaml}\n`;
    })
    .join(depth === 0 ? '\n' : '');
}

export function valuesSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft-07/schema#',
    title: 'Values of the rstream-operator chart',
    ...objectSchema(CHART_VALUES, 0),
  };

  return `${JSON.stringify(schema, null, 2)}\n`;
}

function objectSchema(values: readonly ChartValue[], depth: number): object {
  const properties = [...grouped(values, depth)].map(([name, group]) => {
    const leaf = leafOf(group, depth);
    return [name, leaf ? leafSchema(leaf) : objectSchema(group, depth + 1)];
  });
  // Helm gives every chart its `global` values, a subchart's parent included.
  const global = depth === 0 ? { global: { type: 'object' } } : {};

  return {
    type: 'object',
    additionalProperties: false,
    properties: { ...Object.fromEntries(properties), ...global },
  };
}

function leafSchema(leaf: ChartValue): object {
  return { description: leaf.description, type: typeOf(leaf.default), default: leaf.default, ...leaf.schema };
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

export function valuesTable(): string {
  const rows = CHART_VALUES.map(
    ({ path, default: initial, description }) =>
      `| \`${path}\` | ${description} | \`${JSON.stringify(initial)}\` |`,
  );

  return ['| value | meaning | default |', '| --- | --- | --- |', ...rows, ''].join('\n');
}
