// The shape of a table of good and bad specs, and what tells one row of it from another.

/** A spec the API server must take, or refuse with exactly one fault. */
export interface ManifestCase {
  readonly title: string;
  readonly spec: object;
  /** Absent: the spec is good. */
  readonly refused?: { readonly path: string; readonly sentence: string };
}

export function good(title: string, spec: object): ManifestCase {
  return { title, spec };
}

/** `sentence` is the whole sentence of a rule, or how a structural complaint ends. */
export function bad(title: string, spec: object, path: string, sentence: string): ManifestCase {
  return { title, spec, refused: { path, sentence } };
}
