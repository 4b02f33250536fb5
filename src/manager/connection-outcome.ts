// What the connection reconciler found out and tunnels build on. It lives in memory only: the connection's status says the
// same to people, but a forged status must not steer an agent.

import type { RstreamConnectionSpec } from '../api/resources.ts';
import type { Blocked } from './blocked.ts';

export type ConnectionBlockReason =
  | 'SecretMissing'
  | 'InvalidSpec'
  | 'Unauthorized'
  | 'Forbidden'
  | 'ProjectNotFound'
  | 'RegionUnavailable'
  | 'PolicyDenied'
  | 'ControlPlaneUnavailable';

export interface ReadyConnection {
  /** The spec that this was found out from. */
  readonly spec: RstreamConnectionSpec;
  /** `host:port`. */
  readonly engine: string;
  /** Over the values of every Secret key that an agent's Pod refers to. */
  readonly secretsDigest: string;
}

export type ConnectionOutcome = { readonly ready: ReadyConnection } | Blocked<ConnectionBlockReason>;

/** The last outcome of each connection, by key. An outcome counts only for the generation it was found for. */
export class ConnectionOutcomes {
  readonly #entries = new Map<
    string,
    { readonly uid: string; readonly generation: number; readonly outcome: ConnectionOutcome }
  >();

  get(key: string, uid: string | undefined, generation: number | undefined): ConnectionOutcome | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.uid === uid && entry.generation === generation
      ? entry.outcome
      : undefined;
  }

  /** Returns whether tunnels of this connection must be looked at again. */
  set(key: string, uid: string, generation: number, outcome: ConnectionOutcome): boolean {
    const before = this.get(key, uid, generation);
    this.#entries.set(key, { uid, generation, outcome });
    return before === undefined || JSON.stringify(before) !== JSON.stringify(outcome);
  }

  /** Connections that are gone keep nothing. */
  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }
}
