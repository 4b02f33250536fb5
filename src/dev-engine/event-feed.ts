// The event stream of the engine's HTTP API: a snapshot first, then each change of clients and tunnels that the
// subscriber's filters let through. A subscriber that does not read is cut off.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../common/clock.ts';
import { clientObject, type Filters, type JsonObject, matches, tunnelObject } from './inventory.ts';
import type { Change, Registry } from './registry.ts';

const maxSubscribers = 256;

export interface EventFilters {
  /** Present: only these kinds that are present are sent; both absent: everything. */
  readonly tunnels?: Filters;
  readonly clients?: Filters;
}

export interface EngineEvent extends JsonObject {
  readonly id: string;
  readonly type: string;
  readonly created_at: string;
  readonly object: JsonObject;
}

export class EventFeed {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #subscribers = 0;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Sends the snapshot at once and changes until the returned function is called; undefined when there are too many. */
  subscribe(
    filters: EventFilters,
    user: string,
    send: (event: EngineEvent) => void,
  ): (() => void) | undefined {
    if (this.#subscribers >= maxSubscribers) return undefined;
    this.#subscribers += 1;
    send(this.#event('state.initial', user, this.#snapshot(filters)));
    const unsubscribe = this.#registry.subscribe((change) => {
      const object = objectOf(change);
      const filter = 'client' in change ? filters.clients : filters.tunnels;
      const wanted = filter !== undefined || (!filters.clients && !filters.tunnels);
      if (wanted && matches(object, filter)) send(this.#event(change.type, user, object));
    });
    let active = true;
    return () => {
      if (active) this.#subscribers -= 1;
      active = false;
      unsubscribe();
    };
  }

  #snapshot(filters: EventFilters): JsonObject {
    return {
      snapshot_at: this.#clock.date().toISOString(),
      clients: this.#registry.clients.map(clientObject).filter((client) => matches(client, filters.clients)),
      tunnels: this.#registry.tunnels.map(tunnelObject).filter((tunnel) => matches(tunnel, filters.tunnels)),
    };
  }

  #event(type: string, user: string, object: JsonObject): EngineEvent {
    return {
      id: `evt_${randomBytes(8).toString('hex')}`,
      type,
      created_at: this.#clock.date().toISOString(),
      user_id: user,
      workspace_id: 'wks_local',
      project_id: 'prj_local',
      cluster_id: 'cls_local',
      object,
    };
  }
}

function objectOf(change: Change): JsonObject {
  if ('tunnel' in change) {
    const status = change.type === 'tunnel.deleted' ? { status: 'offline' } : {};
    return { ...tunnelObject(change.tunnel), ...status };
  }
  const status = change.type === 'client.deleted' ? { status: 'offline' } : {};
  return { ...clientObject(change.client), ...status };
}
