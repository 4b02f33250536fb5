// Decides when an agent that vanished no longer speaks for its tunnel. Pure but for the memory of since when each tunnel's
// agent has been away, which starts anew with the process.

import { type Condition, findCondition } from '../api/conditions.ts';
import type { CachedPod } from './cached-objects.ts';

const takeoverAfterMs = 10_000;

export interface TakeoverInput {
  readonly conditions: readonly Condition[] | undefined;
  /** status.agentPod. */
  readonly agentPod: string | undefined;
  /** status.tunnelID: another one means that an agent has come online since. */
  readonly tunnelId: string | undefined;
  /** The tunnel's agent Pods. */
  readonly pods: readonly CachedPod[];
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** `due`: write TunnelReady=Unknown now; `inMs`: judge again then; undefined: the agent is well or has said otherwise. */
export type TakeoverVerdict = { readonly due: true } | { readonly inMs: number } | undefined;

export class TakeoverWatch {
  readonly #away = new Map<string, { readonly holder: string; readonly since: number }>();

  /** `uid` is the tunnel's. */
  judge(uid: string, input: TakeoverInput): TakeoverVerdict {
    const isOnline = findCondition(input.conditions, 'TunnelReady')?.status === 'True';
    if (!isOnline || isServed(input)) {
      this.#away.delete(uid);
      return undefined;
    }
    const holder = JSON.stringify([input.agentPod, input.tunnelId]);
    const known = this.#away.get(uid);
    const since = known?.holder === holder ? known.since : input.now;
    this.#away.set(uid, { holder, since });
    const remaining = since + takeoverAfterMs - input.now;
    return remaining <= 0 ? { due: true } : { inMs: remaining };
  }

  /** The tunnel is gone. */
  forget(uid: string): void {
    this.#away.delete(uid);
  }

  get size(): number {
    return this.#away.size;
  }
}

/** With no Pod named, any ready one may be the one. */
function isServed({ agentPod, pods }: TakeoverInput): boolean {
  return pods.some(({ metadata, ready }) => {
    const isNamed = !agentPod || metadata.name === agentPod;
    return isNamed && ready && metadata.deletionTimestamp === undefined;
  });
}
