// Remembers of a tunnel whose children are all as they should be just enough to see that they still are: rendering takes
// two milliseconds and a hundred kilobytes of garbage, and most reconciles are about a status. test/bench/control measures it.

import type { KubeManifest } from '../../charts-ts/agent-props.ts';
import type { TunnelIdentity } from '../api/names.ts';
import type { CachedChild } from './cached-objects.ts';
import { judgeChild, withAppliedHash } from './child-judgement.ts';
import type { TunnelPlan, TunnelPlanInput } from './tunnel-plan.ts';

type ApplyPlan = Extract<TunnelPlan, { readonly action: 'apply' }>;
type KeepPlan = Extract<TunnelPlan, { readonly action: 'keep' }>;

/** Looks a child up in the cache. */
export type FindChild = (kind: string, name: string) => CachedChild | undefined;

export interface SettledPlan {
  /** Equal keys render equal children. */
  readonly key: string;
  readonly plan: KeepPlan;
  readonly children: readonly SettledChild[];
}

interface SettledChild {
  readonly kind: string;
  readonly name: string;
  /** As it was last found to need nothing; moves on, so that no older object is kept in memory. */
  judged: CachedChild;
}

/** What a tunnel's children are rendered from, as text. What is the same for every tunnel of a manager is left out. */
export function planKey({ tunnel, resolution, specProblem, previousHostname }: TunnelPlanInput): string {
  const { uid, generation } = tunnel.metadata;
  return JSON.stringify([uid, generation, resolution, specProblem, previousHostname]);
}

/** What rendering again with the hostname that came out would start from. */
export function nextPlanKey(input: TunnelPlanInput, { config }: ApplyPlan): string {
  return planKey({ ...input, previousHostname: config.tunnel.hostname });
}

/** undefined unless every child is there and needs nothing. */
export function settle(
  key: string,
  plan: ApplyPlan,
  tunnel: TunnelIdentity,
  find: FindChild,
): SettledPlan | undefined {
  const { manifests, config, hash, note } = plan;
  const children: SettledChild[] = [];
  for (const manifest of manifests) {
    const judged = keptChild(manifest, tunnel, find);
    if (judged === undefined) return undefined;
    children.push({ kind: manifest.kind, name: manifest.metadata.name, judged });
  }
  const kinds = children.map(({ kind }) => kind);
  return { key, plan: { action: 'keep', kinds, config, hash, note }, children };
}

/** Whether a judgement of every child would end as it did. */
export function isStillSettled({ children }: SettledPlan, find: FindChild): boolean {
  return children.every((child) => {
    const live = find(child.kind, child.name);
    if (live === undefined || !isJudgedAlike(live, child.judged)) return false;
    child.judged = live;
    return true;
  });
}

function keptChild(manifest: KubeManifest, tunnel: TunnelIdentity, find: FindChild): CachedChild | undefined {
  const live = find(manifest.kind, manifest.metadata.name);
  if (live === undefined || judgeChild(withAppliedHash(manifest), live, tunnel.uid) !== 'keep')
    return undefined;
  return live;
}

/** Exactly what judgeChild reads. */
function isJudgedAlike(live: CachedChild, judged: CachedChild): boolean {
  return (
    live.metadata.deletionTimestamp === judged.metadata.deletionTimestamp &&
    live.controllerUid === judged.controllerUid &&
    live.appliedHash === judged.appliedHash &&
    live.legacy === judged.legacy &&
    live.ownedFields === judged.ownedFields
  );
}
