// Which generation of a tunnel really runs: the newest one whose configuration the Pod that holds the tunnel carries, and
// whether what agents report is about this one. Pure.

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

/**
 * With no such Pod nothing else runs, and the generation looked at is the one that counts. A generation that cannot be
 * rendered, for want of a Service, say, is not what the Pod runs.
 */
export function runningGeneration({ generation, hash, agentPod, pods, live }: RunningInput): number {
  const pod = pods.find(({ metadata }) => metadata.name === agentPod);
  if (pod === undefined || (hash !== undefined && pod.configHash === hash)) return generation;

  const before = findCondition(live, 'Ready')?.observedGeneration;
  return Math.min(before ?? generation, generation);
}

export interface CurrentReport {
  /** What the engine says when it refuses the agents. */
  readonly refusal?: string;
  /** What they say while they have no connection to it yet, or no more. */
  readonly connecting?: string;
}

/** What keeps the tunnel down, as its agents say; nothing while one of them still runs, or only ran, another configuration. */
export function currentReport({
  hash,
  pods,
  live,
}: Pick<RunningInput, 'hash' | 'pods' | 'live'>): CurrentReport {
  const agents = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const isCurrent = agents.length > 0 && agents.every(({ configHash }) => configHash === hash);
  const { reason, message } = findCondition(live, 'TunnelReady') ?? {};
  if (!isCurrent || message === undefined) return {};
  if (reason === 'TunnelRejected') return { refusal: message };
  return reason === 'TunnelDisconnected' || reason === 'TunnelConnecting' ? { connecting: message } : {};
}
