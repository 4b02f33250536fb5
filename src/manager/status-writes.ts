// What must be sent so that the manager's part of a status becomes what it should be: nothing, an apply, and rarely a
// patch before it, for a field that somebody else wrote and that an apply by us could therefore not remove. Pure.

import { type Condition, type ConditionUpdate, findCondition, nextCondition } from '../api/conditions.ts';
import type { JsonPatchOperation } from '../kube/client.ts';

/** The manager's own part of a status. */
export interface OwnStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
  readonly [field: string]: unknown;
}

export interface LiveStatus {
  readonly conditions?: readonly Condition[] | undefined;
  readonly [field: string]: unknown;
}

export interface StatusContract {
  /** Fields besides observedGeneration and conditions that the manager owns. */
  readonly fields: readonly string[];
  /** Condition types that the manager owns. */
  readonly conditions: readonly string[];
}

export interface StatusWrites {
  readonly isChanged: boolean;
  readonly own: OwnStatus;
  /** To be sent first, with a test of the resourceVersion. */
  readonly removals: readonly JsonPatchOperation[];
}

export const tunnelContract: StatusContract = {
  fields: ['rstreamName', 'hostname', 'target', 'agentDeployment'],
  conditions: ['Accepted', 'Resolved', 'AgentReady', 'Ready', 'Reconciling', 'Stalled'],
};

export const connectionContract: StatusContract = {
  fields: ['apiURL', 'projectID', 'projectEndpoint', 'region', 'engine'],
  conditions: ['Ready'],
};

export interface StatusWish {
  readonly observedGeneration: number;
  readonly conditions: readonly ConditionUpdate[];
  readonly fields: Readonly<Record<string, string | undefined>>;
}

export function statusWrites(
  contract: StatusContract,
  live: LiveStatus | undefined,
  foreign: readonly string[],
  wish: StatusWish,
  now: Date,
): StatusWrites {
  const conditions = wish.conditions.map((update) => nextCondition(live?.conditions, update, now));
  const fields = Object.fromEntries(Object.entries(wish.fields).filter(([, value]) => value !== undefined));
  const own = { observedGeneration: wish.observedGeneration, ...fields, conditions };
  const leftovers = leftoversOf(contract, live, own);
  const isSame =
    leftovers.length === 0 &&
    live?.observedGeneration === own.observedGeneration &&
    Object.entries(fields).every(([field, value]) => live[field] === value) &&
    conditions.every((condition) =>
      isSameCondition(findCondition(live.conditions, condition.type), condition),
    );

  return { isChanged: !isSame, own, removals: removalsOf(leftovers, foreign, live) };
}

/** Fields and conditions of ours that are there and should not be. */
function leftoversOf(
  contract: StatusContract,
  live: LiveStatus | undefined,
  own: OwnStatus,
): readonly string[] {
  const fields = contract.fields.filter((field) => live?.[field] !== undefined && own[field] === undefined);
  const types = contract.conditions.filter(
    (type) => findCondition(live?.conditions, type) && !findCondition(own.conditions, type),
  );
  return [...fields, ...types.map((type) => `conditions/${type}`)];
}

/** From the last index to the first, so that no removal moves the next one. */
function removalsOf(
  leftovers: readonly string[],
  foreign: readonly string[],
  live: LiveStatus | undefined,
): readonly JsonPatchOperation[] {
  const shared = leftovers.filter((path) => foreign.includes(path));
  const fields = shared.filter((path) => !path.startsWith('conditions/')).map((field) => `/status/${field}`);
  const indexes = shared
    .filter((path) => path.startsWith('conditions/'))
    .map((path) => live?.conditions?.findIndex(({ type }) => `conditions/${type}` === path) ?? -1)
    .filter((index) => index >= 0)
    .toSorted((a, b) => b - a);
  const paths = [...fields, ...indexes.map((index) => `/status/conditions/${index}`)];
  return paths.map((path) => ({ op: 'remove', path }));
}

function isSameCondition(live: Condition | undefined, wanted: Condition): boolean {
  return (
    live !== undefined &&
    live.status === wanted.status &&
    live.reason === wanted.reason &&
    live.message === wanted.message &&
    live.lastTransitionTime === wanted.lastTransitionTime &&
    live.observedGeneration === wanted.observedGeneration
  );
}
