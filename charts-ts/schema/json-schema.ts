// The part of JSON Schema that a CustomResourceDefinition may use (a structural schema), with rules that carry both
// their CEL expression and the same check in TypeScript, and small functions to write schemas with.

/** One validation rule: `rule` is what the API server evaluates, `check` the same for values in this process. */
export interface Rule {
  /** CEL, as Kubernetes 1.28 understands it; `self` is the value at the place of the rule. */
  readonly rule: string;
  /** The sentence that the user reads, here and from the API server. */
  readonly message: string;
  /** True when `self` obeys. Called only with a value of the right structure and with defaults filled in. */
  check(self: unknown): boolean;
}

/** A structural schema. Title and type description are those of the generated interface and left out of the CRD. */
export interface Schema {
  readonly title?: string;
  readonly typeDescription?: string;
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'map' | 'set';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

type Extra = Omit<Schema, 'type' | 'description'>;

/** Length bounds of what Kubernetes names, and of what it does not. */
export const MAX = { name: 253, text: 1024, url: 2048, labels: 64, list: 256 } as const;

export function rule<T>(cel: string, message: string, check: (self: T) => boolean): Rule {
  // The structure was validated before, see Rule.check.
  return { rule: cel, message, check: (self) => check(self as T) };
}

/** A string; "" means absent unless `minLength` says otherwise. */
export function text(description: string, extra: Extra = {}): Schema {
  return { description, type: 'string', maxLength: MAX.name, ...extra };
}

/** One of a few strings, or "" for absent. */
export function choice(description: string, values: readonly string[], extra: Extra = {}): Schema {
  return { description, type: 'string', enum: ['', ...values], ...extra };
}

export function flag(description: string, extra: Extra = {}): Schema {
  return { description, type: 'boolean', ...extra };
}

export function integer(description: string, minimum: number, maximum?: number, extra: Extra = {}): Schema {
  const bounds = maximum === undefined ? { minimum } : { minimum, maximum };
  return { description, type: 'integer', format: 'int32', ...bounds, ...extra };
}

/** A list that is replaced as a whole. */
export function list(description: string, items: Schema, extra: Extra = {}): Schema {
  return {
    description,
    type: 'array',
    maxItems: MAX.list,
    items,
    'x-kubernetes-list-type': 'atomic',
    ...extra,
  };
}

export function map(description: string, values: Schema, extra: Extra = {}): Schema {
  return { description, type: 'object', maxProperties: MAX.labels, additionalProperties: values, ...extra };
}

export function object(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  extra: Extra = {},
): Schema {
  return { description, type: 'object', properties, ...extra };
}

/** The same schema with another description; keeps its title, and with it the name of its type. */
export function described(schema: Schema, description: string): Schema {
  const { description: typeDescription } = schema;
  return typeDescription === undefined
    ? { ...schema, description }
    : { ...schema, typeDescription, description };
}

/** What a field means, and its default: `kubectl explain` and editors show descriptions and nothing else. */
export function meaningOf({ description, default: standard }: Schema): string | undefined {
  if (standard === undefined || typeof standard === 'object') return description;
  return `${description ?? ''} Default: ${JSON.stringify(standard)}.`.trim();
}
