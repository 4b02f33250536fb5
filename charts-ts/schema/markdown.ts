// Renders a resource's schema as Markdown: its fields with type, default, bounds and meaning, its rules and its columns.

import type { PrinterColumn } from './columns.ts';
import type { Rule, Schema } from './json-schema.ts';

export interface ResourceDocs {
  readonly kind: string;
  readonly schema: Schema;
  /** Short names, as one text. */
  readonly names: string;
  readonly columns: readonly PrinterColumn[];
}

/** Types taken over from Kubernetes, which has its own reference for them. */
const KUBERNETES_TYPES = new Set([
  'Affinity',
  'ResourceRequirements',
  'Toleration',
  'TopologySpreadConstraint',
]);

export function resourceDocs({ kind, schema, names, columns }: ResourceDocs): string {
  const sentences = rules(schema).map(({ message }) => `- ${tableCell(message)}`);
  const shown = columns.map(({ name, priority }) => (priority === 1 ? `${name} (wide)` : name)).join(', ');

  return [
    `## ${kind}\n\n${schema.description}\n\nShort names: ${names}; category: rstream. Columns: ${shown}.\n`,
    `### ${kind}: spec\n\n${table(schema.properties?.spec)}`,
    `### ${kind}: rules\n\nThe API server refuses what breaks one of these, with this sentence:\n\n${sentences.join('\n')}\n`,
    `### ${kind}: status\n\n${table(schema.properties?.status)}`,
  ].join('\n');
}

function table(schema: Schema | undefined): string {
  const rows = [...fields(schema ?? {}, '')].map((cells) => `| ${cells.join(' | ')} |`);
  return `| field | type | meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function* fields(schema: Schema, prefix: string): Generator<readonly string[]> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    const required = schema.required?.includes(name) ? '**required** ' : '';
    yield [`\`${path}\``, required + typeOf(field), meaning(field)];
    if (isKubernetes(field)) continue;
    if (field.items !== undefined && !isKubernetes(field.items)) yield* fields(field.items, `${path}[].`);
    yield* fields(field, `${path}.`);
  }
}

function isKubernetes({ title }: Schema): boolean {
  return title !== undefined && KUBERNETES_TYPES.has(title);
}

function typeOf(schema: Schema): string {
  if (isKubernetes(schema)) return `Kubernetes ${schema.title}`;
  if (schema['x-kubernetes-int-or-string']) return 'integer or string';
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map of ${typeOf(schema.additionalProperties)}`;
  const values = (schema.enum ?? []).filter((value) => value !== '');
  return values.length > 0 ? values.join(' · ') : (schema.type ?? 'any');
}

function meaning(schema: Schema): string {
  const standard = schema.default === undefined ? '' : ` Default: ${JSON.stringify(schema.default)}.`;
  return tableCell(`${schema.description ?? ''}${standard}${limits(schema)}`);
}

function limits(schema: Schema): string {
  const { minimum, maximum, minLength, maxItems, pattern } = schema;
  const range = maximum === undefined ? `At least ${minimum}` : `${minimum}–${maximum}`;
  const parts = [
    minimum === undefined ? '' : range,
    minLength === undefined ? '' : 'Not empty',
    maxItems === undefined ? '' : `At most ${maxItems}`,
    pattern === undefined || pattern.length > 80 || pattern.includes('`') ? '' : `Matches \`${pattern}\``,
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => ` ${part}.`)
    .join('');
}

function rules(schema: Schema): readonly Rule[] {
  const children = [
    ...Object.values(schema.properties ?? {}),
    ...[schema.items, schema.additionalProperties].filter((child) => child !== undefined),
  ];
  return [...(schema['x-kubernetes-validations'] ?? []), ...children.flatMap(rules)];
}

function tableCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
