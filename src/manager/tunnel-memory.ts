// The little that is remembered about a tunnel from one reconcile to the next. All of it can be lost: a restart begins with
// nothing and ends in the same state.

import type { AgentConfig } from '../api/agent-config.ts';
import type { Condition } from '../api/conditions.ts';
import type { SettledPlan } from './settled-plan.ts';
import type { KnownCondition } from './tunnel-events.ts';

export interface TunnelMemory {
  /** The hostname last written to the tunnel's ConfigMap. */
  hostname?: string | undefined;
  /** The conditions, those of the agent included, that Events were last made out from. */
  told?: readonly KnownCondition[] | undefined;
  /** What its children were when they needed nothing. */
  settled?: SettledPlan | undefined;
  /** The configuration last read from its ConfigMap, with the text it was read from. */
  liveConfig?: { readonly text: string; readonly config: AgentConfig | undefined } | undefined;
  /** Since when (monotonic milliseconds) a rollout is known to be under way. */
  rollingSince?: number | undefined;
  /** The API server's last refusal of a status, and of a takeover, so that each is told once. */
  refusal?: string | undefined;
  takeoverRefusal?: string | undefined;
}

/** The conditions agents write. */
export function agentReports(conditions: readonly Condition[] | undefined): readonly Condition[] {
  return (conditions ?? []).filter(({ type }) => type === 'TunnelReady' || type === 'TargetReachable');
}

export class TunnelMemories {
  readonly #byKey = new Map<string, { readonly uid: string; readonly memory: TunnelMemory }>();

  /** A tunnel made anew under the same name starts with nothing; `gone` is told the uid of the one before. */
  of(key: string, uid: string, gone: (uid: string) => void): TunnelMemory {
    const known = this.#byKey.get(key);
    if (known?.uid === uid) return known.memory;
    if (known !== undefined) gone(known.uid);
    const memory: TunnelMemory = {};
    this.#byKey.set(key, { uid, memory });
    return memory;
  }

  /** Returns the uid that was remembered. */
  forget(key: string): string | undefined {
    const uid = this.#byKey.get(key)?.uid;
    this.#byKey.delete(key);
    return uid;
  }

  get size(): number {
    return this.#byKey.size;
  }
}
