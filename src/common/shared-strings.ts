// One copy of strings that many objects hold alike, with a bound on how many different ones are remembered.

export class SharedStrings {
  readonly #limit: number;
  readonly #known = new Map<string, string>();

  /** Beyond `limit` different strings, the one that was not asked for the longest is forgotten: its next copy is a new one. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#known.size;
  }

  has(text: string): boolean {
    return this.#known.has(text);
  }

  /** The same text; the same object as before, while it is remembered. */
  share(text: string): string {
    const shared = this.#known.get(text) ?? text;
    this.#known.delete(shared);
    this.#known.set(shared, shared);
    const [oldest] = this.#known.keys();
    if (this.#known.size > this.#limit && oldest !== undefined) this.#known.delete(oldest);
    return shared;
  }
}
