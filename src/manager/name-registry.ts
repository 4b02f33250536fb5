// Which tunnels use the same name on the same engine. The engine tells them apart, but whoever dials by name does not.

export class NameRegistry {
  readonly #byName = new Map<string, Set<string>>();
  readonly #nameOf = new Map<string, string>();

  /** Notes that the tunnel uses this name, and returns the other tunnels that do when that is news. */
  claim(tunnel: string, engine: string, rstreamName: string): readonly string[] {
    const name = `${engine} ${rstreamName}`;
    if (this.#nameOf.get(tunnel) === name) return [];
    this.release(tunnel);
    const users = this.#byName.get(name) ?? new Set();
    const others = [...users];
    users.add(tunnel);
    this.#byName.set(name, users);
    this.#nameOf.set(tunnel, name);
    return others;
  }

  /** The tunnel is gone, or uses no name any more. */
  release(tunnel: string): void {
    const name = this.#nameOf.get(tunnel);
    if (name === undefined) return;
    const users = this.#byName.get(name);
    users?.delete(tunnel);
    if (users?.size === 0) this.#byName.delete(name);
    this.#nameOf.delete(tunnel);
  }

  get size(): number {
    return this.#nameOf.size;
  }
}
