// Which Events a change of a resource's conditions deserves: one per change, none for passing states. Pure.

import { type Condition, findCondition } from '../api/conditions.ts';

export interface EventToSend {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** A condition as it was seen before. */
export type KnownCondition = Pick<Condition, 'type' | 'status' | 'reason'>;

/** undefined for a resource seen for the first time. */
type Before = readonly KnownCondition[] | undefined;
type After = readonly Pick<Condition, 'type' | 'status' | 'reason' | 'message'>[];

const quietReasons = new Set([
  'DeploymentPending',
  'TunnelConnecting',
  'WaitingForDeployment',
  'WaitingForTunnel',
  'RolloutInProgress',
]);

/** Conditions whose turning True is news, and the Event's reason. */
const goodNews = new Map([
  ['Resolved', 'Resolved'],
  ['AgentReady', 'AgentDeployed'],
  ['TunnelReady', 'TunnelOnline'],
]);

/** Conditions that repeat the reason of another one. */
const echoes = new Set(['Ready', 'Reconciling', 'Stalled']);

export function tunnelEvents(before: Before, after: After): readonly EventToSend[] {
  const events = after
    .filter(({ type }) => !echoes.has(type))
    .flatMap((condition) => conditionEvents(findCondition(before, condition.type), condition));
  const ready = findCondition(after, 'Ready');
  if (ready?.reason === 'Suspended' && findCondition(before, 'Ready')?.reason !== 'Suspended') {
    return [...events, { type: 'Normal', reason: 'Suspended', message: ready.message }];
  }
  return events;
}

/** A connection has one condition. Ready is news once it was not. */
export function connectionEvents(before: Before, after: After): readonly EventToSend[] {
  return after.flatMap((condition): readonly EventToSend[] => {
    const live = findCondition(before, condition.type);
    if (live?.reason === condition.reason) return [];
    if (condition.reason === 'Ready')
      return [{ type: 'Normal', reason: 'Resolved', message: condition.message }];
    return [{ type: 'Warning', reason: condition.reason, message: condition.message }];
  });
}

function conditionEvents(live: KnownCondition | undefined, condition: After[number]): readonly EventToSend[] {
  const { type, status, reason, message } = condition;
  if (status === 'True') {
    const news = goodNews.get(type);
    return news === undefined || live?.status === 'True' ? [] : [{ type: 'Normal', reason: news, message }];
  }
  return quietReasons.has(reason) || live?.reason === reason ? [] : [{ type: 'Warning', reason, message }];
}
