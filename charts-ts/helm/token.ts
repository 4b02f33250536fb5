// Placeholders that stand for Helm's expressions while manifests are synthesized. In strings an expression is written
// between two rare brackets; everywhere else it is an object that the overlay seam lays on verbatim. Expressions start
// at `$`, so that they mean the same inside `range` and `with`.

const OPEN = '\u27e6';
const CLOSE = '\u27e7';

/** Splits a string into literal text (even places) and expressions (odd places). */
export const EXPRESSION = new RegExp(`${OPEN}([^${CLOSE}]*)${CLOSE}`);

/** An expression inside a string, alone or among other text. */
export function text(expression: string): string {
  return `${OPEN}${expression}${CLOSE}`;
}

/** A value of values.yaml inside a string. */
export function valueText(path: string): string {
  return text(`$.Values.${path}`);
}

/** A label or annotation key that stands for all entries of a map, without those that are already there. */
export function splat(path: string): string {
  return text(`splat $.Values.${path}`);
}

/** What a placeholder becomes: a bare scalar, a block that is left out when empty, or something under a condition. */
export type Placeholder =
  | { readonly kind: 'scalar'; readonly expression: string }
  | { readonly kind: 'block'; readonly expression: string }
  | { readonly kind: 'guarded'; readonly open: string; readonly value: unknown };

/** A placeholder where no string may stand: laid on after synthesis, never seen by cdk8s. */
export class HelmValue {
  readonly placeholder: Placeholder;

  constructor(placeholder: Placeholder) {
    this.placeholder = placeholder;
  }
}

/** A number or boolean of values.yaml. */
export function scalar(path: string): HelmValue {
  return computed(`$.Values.${path}`);
}

/** A number or boolean that an expression gives. */
export function computed(expression: string): HelmValue {
  return new HelmValue({ kind: 'scalar', expression });
}

/** A map or list of values.yaml; the field is left out when it is empty. */
export function block(path: string): HelmValue {
  return new HelmValue({ kind: 'block', expression: `$.Values.${path}` });
}

/** A field or list item under `open`, for example `if $.Values.proxy` or `range $.Values.watchNamespaces`. */
export function guarded(open: string, value: unknown): HelmValue {
  return new HelmValue({ kind: 'guarded', open, value });
}
