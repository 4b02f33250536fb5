// The inventory: clients and tunnels that exist right now, and everybody who wants to hear when that changes.

import type { ClientDetails } from '../../generated/protobuf/rstream_pb.js';
import { atCapacity } from './errors.ts';
import type { Tunnel, TunnelOwner } from './tunnel.ts';

export interface Client extends TunnelOwner {
  readonly details: ClientDetails | undefined;
  readonly connectedAt: Date;
  /** Ends the control connection: `close` says goodbye first, `drop` does not. */
  end(how: 'close' | 'drop'): void;
  /** Writes bytes as they are, for faults. */
  sendRaw(bytes: Uint8Array): void;
}

export type Change =
  | { readonly type: 'client.created' | 'client.updated' | 'client.deleted'; readonly client: Client }
  | { readonly type: 'tunnel.created' | 'tunnel.updated' | 'tunnel.deleted'; readonly tunnel: Tunnel };

const maxClients = 4096;
const maxTunnelsPerClient = 256;

export class Registry {
  readonly #clients = new Map<string, Client>();
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #listeners = new Set<(change: Change) => void>();

  get clients(): readonly Client[] {
    return [...this.#clients.values()];
  }

  get tunnels(): readonly Tunnel[] {
    return [...this.#tunnels.values()];
  }

  client(id: string): Client | undefined {
    return this.#clients.get(id);
  }

  tunnel(id: string): Tunnel | undefined {
    return this.#tunnels.get(id);
  }

  tunnelsOf(owner: TunnelOwner): readonly Tunnel[] {
    return this.tunnels.filter((tunnel) => tunnel.owner.id === owner.id);
  }

  /** The tunnel with this id, else the newest with this name. */
  resolve(idOrName: string): Tunnel | undefined {
    return (
      this.#tunnels.get(idOrName) ?? this.tunnels.findLast(({ properties }) => properties.name === idOrName)
    );
  }

  /** Throws 7000 when there are too many. */
  addClient(client: Client): void {
    if (this.#clients.size >= maxClients)
      throw atCapacity(`this engine serves at most ${maxClients} clients`);
    this.#clients.set(client.id, client);
    this.#tell({ type: 'client.created', client });
  }

  removeClient(client: Client): void {
    if (this.#clients.delete(client.id)) this.#tell({ type: 'client.deleted', client });
  }

  /** Throws 7000 when the client has too many. */
  checkRoom(owner: TunnelOwner): void {
    if (this.tunnelsOf(owner).length >= maxTunnelsPerClient) {
      throw atCapacity(`a client opens at most ${maxTunnelsPerClient} tunnels`);
    }
  }

  addTunnel(tunnel: Tunnel): void {
    this.#tunnels.set(tunnel.id, tunnel);
    this.#tell({ type: 'tunnel.created', tunnel });
  }

  removeTunnel(tunnel: Tunnel): boolean {
    const removed = this.#tunnels.delete(tunnel.id);
    if (removed) this.#tell({ type: 'tunnel.deleted', tunnel });
    return removed;
  }

  /** Calls `listener`, which must not throw, for each change until the returned function is called. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
