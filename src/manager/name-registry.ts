// Which tunnels use the same name on the same engine. The engine tells them apart, but whoever dials by name does not.

export interface NameClaim {
  /** The key of the tunnel. */
  readonly tunnel: string;
  readonly engine: string;
  readonly rstreamName: string;
  /** The name in the tunnel's status: a process that has just begun learns from it what was told before. */
  readonly statusName: string | undefined;
}

/** Which other tunnels, in words for whoever reads the Events of `tunnel`: they need not know of those of other namespaces. */
export function wordsOf(others: readonly string[], tunnel: string): string {
  const namespace = tunnel.slice(0, tunnel.indexOf('/') + 1);
  const own = others.filter((other) => other.startsWith(namespace));
  return own.length > 0 ? own.slice(0, 3).join(', ') : 'a tunnel of another namespace';
}

export class NameRegistry {
  readonly #byName = new Map<string, Set<string>>();
  /** undefined: the tunnel is known and uses no name. */
  readonly #nameOf = new Map<string, string | undefined>();

  /** Notes that the tunnel uses this name, and returns the other tunnels that do when that is news. */
  claim({ tunnel, engine, rstreamName, statusName }: NameClaim): readonly string[] {
    const name = `${engine} ${rstreamName}`;
    if (this.#nameOf.get(tunnel) === name) return [];
    const wasTold = !this.#nameOf.has(tunnel) && statusName === rstreamName;
    this.release(tunnel);
    const users = this.#byName.get(name) ?? new Set();
    const others = [...users];
    users.add(tunnel);
    this.#byName.set(name, users);
    this.#nameOf.set(tunnel, name);
    return wasTold ? [] : others;
  }

  /** The tunnel uses no name any more. */
  release(tunnel: string): void {
    const name = this.#nameOf.get(tunnel);
    this.#nameOf.set(tunnel, undefined);
    if (name === undefined) return;
    const users = this.#byName.get(name);
    users?.delete(tunnel);
    if (users?.size === 0) this.#byName.delete(name);
  }

  /** The tunnel is gone. */
  forget(tunnel: string): void {
    this.release(tunnel);
    this.#nameOf.delete(tunnel);
  }

  get size(): number {
    return this.#nameOf.size;
  }
}
