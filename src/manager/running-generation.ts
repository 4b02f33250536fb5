// Which generation of a tunnel really runs: the newest one whose configuration the Pod that holds the tunnel carries. Pure.

import { type Condition, findCondition } from '../api/conditions.ts';
import type { CachedPod } from './cached-objects.ts';

export interface RunningInput {
  readonly generation: number;
  /** The config hash of this generation; undefined while it cannot be rendered. */
  readonly hash: string | undefined;
  /** status.agentPod. */
  readonly agentPod: string | undefined;
  readonly pods: readonly CachedPod[];
  readonly live: readonly Condition[] | undefined;
}

export function runningGeneration({ generation, hash, agentPod, pods, live }: RunningInput): number {
  const pod = pods.find(({ metadata }) => metadata.name === agentPod);
  if (hash !== undefined && pod?.configHash === hash) return generation;

  const ready = findCondition(live, 'Ready');
  const before = ready?.status === 'True' ? ready.observedGeneration : undefined;
  return Math.min(before ?? generation, generation);
}
