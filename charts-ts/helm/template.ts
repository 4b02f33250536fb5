// Turns synthesized manifests with placeholders into the text of a Helm template. Everything else in them, `{{` included,
// comes out of Helm as it went in.

import { stringify } from 'yaml';
import { EXPRESSION, HelmValue } from './token.ts';

const MARK = /^( *)(- )?(?:([^\s:]+): )?HELM_(\d+)_$/;
const SPLAT = /^splat (.+)$/;

type Leaf = HelmValue | { readonly splat: string; readonly siblings: readonly string[] } | string;

/** One document of a template; `open` puts the whole document under a condition or in a loop. */
export function helmDocument(manifest: object, open?: string): string {
  const body = `---\n${helmYaml(manifest)}`;
  return open ? `{{- ${open} }}\n${body}{{- end }}\n` : body;
}

/** YAML for any value with placeholders in it. */
export function helmYaml(value: unknown): string {
  const leaves: Leaf[] = [];
  const marked = mark(value, leaves);
  const yaml = stringify(marked, { lineWidth: 0 }).replaceAll('{{', '{{ "{{" }}');

  return yaml
    .split('\n')
    .map((line) => unmark(line, leaves))
    .join('\n');
}

/** Replaces every placeholder by a scalar that YAML leaves alone. */
function mark(value: unknown, leaves: Leaf[]): unknown {
  if (value instanceof HelmValue) return remember(value, leaves);
  if (typeof value === 'string') return EXPRESSION.test(value) ? remember(value, leaves) : value;
  if (Array.isArray(value)) return value.map((item) => mark(item, leaves));
  if (typeof value !== 'object' || value === null) return value;

  return markMap(Object.entries(value), leaves);
}

/** The maps that a map is to hold become one, so that no key comes twice; the first one named wins. */
function markMap(entries: readonly (readonly [string, unknown])[], leaves: Leaf[]): object | string {
  const sources = entries.flatMap(([key]) => SPLAT.exec(EXPRESSION.exec(key)?.[1] ?? '')?.[1] ?? []);
  const own = entries.filter(([key]) => !EXPRESSION.test(key));
  const marked = Object.fromEntries(own.map(([key, child]) => [key, mark(child, leaves)]));
  if (sources.length === 0) return marked;

  const splat = sources.length === 1 ? `${sources[0]}` : `(merge dict ${sources.join(' ')})`;
  // With nothing else in it, the whole map goes when they are empty.
  if (own.length === 0) return remember(new HelmValue({ kind: 'block', expression: splat }), leaves);
  return { SPLAT: remember({ splat, siblings: own.map(([key]) => key) }, leaves), ...marked };
}

function remember(leaf: Leaf, leaves: Leaf[]): string {
  return `HELM_${leaves.push(leaf) - 1}_`;
}

function unmark(line: string, leaves: readonly Leaf[]): string {
  const [, indent = '', dash = '', key, index] = MARK.exec(line) ?? [];
  const leaf = index === undefined ? undefined : leaves[Number(index)];
  if (leaf === undefined) return line;

  const prefix = indent + dash + (key === undefined ? '' : `${key}: `);
  const depth = indent.length + dash.length;
  if (typeof leaf === 'string') return `${prefix}{{ ${quoted(leaf)} }}`;
  if (!(leaf instanceof HelmValue)) return splatLines(leaf, depth);

  return placeholderLines(leaf, { prefix, depth, key, dash });
}

interface Place {
  readonly prefix: string;
  readonly depth: number;
  readonly key: string | undefined;
  readonly dash: string;
}

function placeholderLines({ placeholder }: HelmValue, { prefix, depth, key, dash }: Place): string {
  switch (placeholder.kind) {
    case 'scalar':
      return `${prefix}{{ ${placeholder.expression} }}`;
    case 'block':
      return `{{- with ${placeholder.expression} }}\n${prefix.trimEnd()}\n${nested('.', depth + 2)}\n{{- end }}`;
    case 'guarded': {
      const item = key === undefined ? [placeholder.value] : { [key]: placeholder.value };
      const spaces = ' '.repeat(depth - dash.length);
      const lines = helmYaml(item).trimEnd().split('\n');
      const indented = lines.map((line) => (line.startsWith('{{-') ? line : spaces + line));
      return [`{{- ${placeholder.open} }}`, ...indented, '{{- end }}'].join('\n');
    }
  }
}

function splatLines(
  { splat, siblings }: { splat: string; siblings: readonly string[] },
  depth: number,
): string {
  const keys = siblings.map((key) => JSON.stringify(key)).join(' ');
  const source = keys ? `omit ${splat} ${keys}` : splat;

  return `{{- with ${source} }}\n${nested('.', depth)}\n{{- end }}`;
}

function nested(expression: string, depth: number): string {
  return `${' '.repeat(depth)}{{- toYaml ${expression} | nindent ${depth} }}`;
}

/** One expression that evaluates to the whole string, quoted so that no value can break out of it. */
function quoted(leaf: string): string {
  const [before = '', expression = '', ...rest] = leaf.split(new RegExp(EXPRESSION, 'g'));
  if (before === '' && rest.join('') === '') return `${expression} | quote`;

  const parts = [before, expression, ...rest];
  const format = parts.map((part, index) => (index % 2 === 0 ? part.replaceAll('%', '%%') : '%s')).join('');
  const values = parts.filter((_, index) => index % 2 === 1).map((part) => `(${part})`);
  return `printf ${JSON.stringify(format)} ${values.join(' ')} | quote`;
}
