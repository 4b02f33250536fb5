// Status conditions: their types, and pure functions that read and set them under the Kubernetes rule
// that lastTransitionTime moves only when status does.

import type { ConnectionReason, TunnelReason } from './reasons.ts';

/** The condition types of an RstreamTunnel. `Reconciling` and `Stalled` (kstatus) exist only while they are True. */
export const TUNNEL_CONDITIONS = [
  'Accepted',
  'Resolved',
  'AgentReady',
  'TunnelReady',
  'TargetReachable',
  'Ready',
  'Reconciling',
  'Stalled',
] as const;

/** The condition types of an RstreamConnection. */
export const CONNECTION_CONDITIONS = ['Ready'] as const;

export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** One entry of status.conditions (metav1.Condition). */
export interface Condition {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, whole seconds, UTC. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number | undefined;
}

/** What a writer decides; the transition time follows from what was there before. */
export interface ConditionUpdate extends Omit<Condition, 'lastTransitionTime'> {
  readonly type: (typeof TUNNEL_CONDITIONS)[number];
  readonly reason: TunnelReason | ConnectionReason;
}

/** The condition of that type, if it is there. */
export function findCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(
  conditions: readonly { readonly type: string; readonly status: string }[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * `update` as it must be written: with the live lastTransitionTime while the status is unchanged, else with `now`.
 * `conditions` are the live ones.
 */
export function nextCondition(
  conditions: readonly Condition[] | undefined,
  update: ConditionUpdate,
  now: Date,
): Condition {
  const live = findCondition(conditions, update.type);
  const unchanged = live !== undefined && live.status === update.status && live.lastTransitionTime !== '';
  const lastTransitionTime = unchanged ? live.lastTransitionTime : kubernetesTime(now);

  return { ...update, message: clip(update.message), lastTransitionTime };
}

/** A metav1.Time: RFC 3339 with whole seconds, as the API server writes it. */
export function kubernetesTime(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** The API server's bound on a condition's message, which the schema repeats. */
export const MAX_CONDITION_MESSAGE = 32_768;

function clip(message: string): string {
  return message.length <= MAX_CONDITION_MESSAGE
    ? message
    : `${message.slice(0, MAX_CONDITION_MESSAGE - 1)}…`;
}
