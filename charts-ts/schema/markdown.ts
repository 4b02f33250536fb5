// Renders a resource's schema as Markdown: its fields with type, default, bounds and meaning, its rules and its columns.

import { CATEGORY, type ResourceDefinition } from './definitions.ts';
import { meaningOf, type Rule, type Schema } from './json-schema.ts';

/** Types taken over from Kubernetes, which has its own reference for them. */
const KUBERNETES_TYPES = new Set([
  'Affinity',
  'ResourceRequirements',
  'Toleration',
  'TopologySpreadConstraint',
]);

export function resourceDocs({ resource, shortNames, schema, columns }: ResourceDefinition): string {
  const { kind } = resource;
  const names = shortNames.join(', ');
  const sentences = rules(schema).map(({ message }) => `- ${tableCell(message)}`);
  const shown = columns.map(({ name, priority }) => (priority === 1 ? `${name} (wide)` : name)).join(', ');

  return [
    `## ${kind}\n\n${schema.description}\n\nShort names: ${names}; category: ${CATEGORY}. Columns: ${shown}.\n`,
    `### ${kind}: spec\n\n${table(schema.properties?.spec, (field) => meaning(field) + limits(field))}`,
    `### ${kind}: rules\n\nThe API server refuses what breaks one of these, with this sentence:\n\n${sentences.join('\n')}\n`,
    `### ${kind}: status\n\n${table(schema.properties?.status, meaning)}`,
  ].join('\n');
}

type Describe = (field: Schema) => string;

function table(schema: Schema | undefined, describe: Describe): string {
  const rows = [...fields(schema ?? {}, '', describe)].map((cells) => `| ${cells.join(' | ')} |`);
  return `| field | type | meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function* fields(schema: Schema, prefix: string, describe: Describe): Generator<readonly string[]> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    const required = schema.required?.includes(name) ? '**required** ' : '';
    yield [`\`${path}\``, required + typeOf(field), tableCell(describe(field))];
    if (isKubernetes(field)) continue;
    if (field.items !== undefined && !isKubernetes(field.items))
      yield* fields(field.items, `${path}[].`, describe);
    yield* fields(field, `${path}.`, describe);
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
  return meaningOf(schema) ?? '';
}

/** What the API server checks besides the rules; of a status nobody needs to know. */
function limits(schema: Schema): string {
  const { items, additionalProperties } = schema;
  const each = [...bounds(items ?? {}), ...bounds(additionalProperties ?? {})].map(
    (bound) => `each ${bound.charAt(0).toLowerCase()}${bound.slice(1)}`,
  );
  return [...bounds(schema), ...(each.length > 0 ? [capital(each.join(', '))] : [])]
    .map((bound) => ` ${bound}.`)
    .join('');
}

function bounds(schema: Schema): readonly string[] {
  const { minimum, maximum, maxItems, maxProperties, pattern } = schema;
  const range = maximum === undefined ? `At least ${minimum}` : `${minimum}–${maximum}`;
  const parts = [
    minimum === undefined ? '' : range,
    lengthOf(schema),
    maxItems === undefined ? '' : `At most ${maxItems} items`,
    maxProperties === undefined ? '' : `At most ${maxProperties} entries`,
    pattern === undefined || pattern.length > 80 || pattern.includes('`') ? '' : `Matches \`${pattern}\``,
  ];
  return parts.filter((part) => part !== '');
}

function lengthOf({ minLength = 0, maxLength }: Schema): string {
  if (maxLength === undefined) return minLength > 0 ? 'Not empty' : '';
  return minLength > 0 ? `${minLength}–${maxLength} characters` : `At most ${maxLength} characters`;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
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
