// Keeps a rollout that is over soon out of the status. With a new token every tunnel of a connection rolls at once; saying so
// and taking it back would be most of what the manager writes then, about tunnels that serve all the while. Pure.

import { findCondition } from '../api/conditions.ts';
import type { CachedTunnel } from './cached-tunnel.ts';
import { type StatusWish, statusWrites, tunnelContract } from './status-writes.ts';
import { ROLLING_OUT } from './tunnel-conditions.ts';

/** A rollout that lasts longer is always shown. */
export const briefMs = 60_000;

export interface Announced {
  readonly wish: StatusWish;
  /** When to look again at a rollout that was left out. */
  readonly againInMs: number | undefined;
}

/**
 * The wish without Reconciling, while that is all there is to say: the tunnel is Ready and stays so, its generation is the one
 * reported, nothing hinders the rollout, and it is not yet known for as long as `briefMs`.
 */
export function announced(
  tunnel: CachedTunnel,
  wish: StatusWish,
  rollingForMs: number,
  now: Date,
): Announced {
  const rollout = findCondition(wish.conditions, 'Reconciling');
  const isServing = findCondition(wish.conditions, 'Ready')?.status === 'True';
  if (rollout?.message !== ROLLING_OUT || !isServing || rollingForMs >= briefMs)
    return { wish, againInMs: undefined };

  // One that is shown already is a change too.
  const quiet = { ...wish, conditions: wish.conditions.filter((condition) => condition !== rollout) };
  const live = tunnel.status && { ...tunnel.status };
  const { isChanged } = statusWrites(tunnelContract, live, tunnel.owners.foreign, quiet, now);
  return isChanged ? { wish, againInMs: undefined } : { wish: quiet, againInMs: briefMs - rollingForMs };
}
