// Judges a tunnel's agent from its Deployment and Pods: available, on its way, or failed, with the cause's own words. Pure.

import type { CachedPod, DeploymentState, KubeCondition } from './cached-objects.ts';
import { type ContainerFailure, containerFailure } from './container-failure.ts';

export interface AgentHealth {
  readonly status: 'True' | 'False';
  readonly reason: 'DeploymentAvailable' | 'DeploymentPending' | 'DeploymentFailed';
  readonly message: string;
  /** A rollout is under way. */
  readonly rollingOut: boolean;
  /** What holds it up, while the agents of before serve on. */
  readonly hindrance?: string | undefined;
  /** When to judge again although nothing changes. */
  readonly againInMs?: number | undefined;
}

export interface AgentHealthInput {
  /** The Deployment's name, for messages. */
  readonly name: string;
  readonly deployment: DeploymentState | undefined;
  readonly pods: readonly CachedPod[];
  /** Epoch milliseconds. */
  readonly now: number;
  /** Why the API server refused one of the tunnel's objects. */
  readonly refusal?: string | undefined;
  /** Whether AgentReady is True so far: a status not yet current does not take that back. */
  readonly wasAvailable?: boolean | undefined;
  /** Why one of the tunnel's objects could not be applied this time; it is tried again. */
  readonly trouble?: string | undefined;
  /** What the engine says to the agents of this configuration when it refuses them: that keeps them from being ready. */
  readonly engineRefusal?: string | undefined;
  /** What they say while they are not connected to it, which does so too. */
  readonly connecting?: string | undefined;
  /** Said once the agent is available, when the user should know something about how it runs. */
  readonly note?: string | undefined;
  /** Why there need not be a Deployment. */
  readonly unwanted?: string | undefined;
}

const maxCause = 1024;

export function agentHealth(input: AgentHealthInput): AgentHealth {
  const { name, deployment, refusal } = input;
  const rollingOut = deployment !== undefined && isRollingOut(deployment);
  if (deployment !== undefined && isAvailable(deployment, input.wasAvailable === true)) {
    const message = `Deployment ${name} is available${input.note ? `; ${input.note}` : ''}`;
    const failure = rollingOut ? failureOf(input) : undefined;
    const progress = { rollingOut, hindrance: failure?.message, againInMs: failure?.againInMs };
    const available = { status: 'True', reason: 'DeploymentAvailable', ...progress } as const;
    return { ...available, message: refusal === undefined ? message : `${message}, but ${refusal}` };
  }

  const failure = refusal === undefined ? failureOf(input) : { message: refusal };
  if (failure !== undefined) {
    const { againInMs } = failure;
    const message = failure.message.slice(0, maxCause);
    return { status: 'False', reason: 'DeploymentFailed', message, rollingOut, againInMs };
  }
  return { status: 'False', reason: 'DeploymentPending', message: pendingMessage(input), rollingOut: true };
}

function pendingMessage(input: AgentHealthInput): string {
  const { name, deployment, pods, trouble, unwanted } = input;
  if (deployment === undefined && unwanted) return unwanted;
  if (trouble) return `Deployment ${name} is not available yet: ${trouble}; trying again`.slice(0, maxCause);
  const hint = unschedulable(pods);
  if (hint) return `Deployment ${name} waits for a node: ${hint}`;
  // Not with each word of an agent that has only begun.
  const words = input.engineRefusal ?? (overdue(input) ? input.connecting : undefined);
  return `Deployment ${name} is not available yet${words ? `: ${words}` : ''}`;
}

/** A status that lags behind the spec cannot announce availability, nor does it end it: old Pods serve on. */
function isAvailable(deployment: DeploymentState, wasAvailable: boolean): boolean {
  return (isCurrent(deployment) || wasAvailable) && deployment.availableReplicas >= 1;
}

/** The status belongs to the spec that is there now. */
function isCurrent({ generation, observedGeneration }: DeploymentState): boolean {
  return observedGeneration >= generation;
}

function isRollingOut(deployment: DeploymentState): boolean {
  const { replicas, updatedReplicas, totalReplicas, availableReplicas } = deployment;
  if (!isCurrent(deployment) || updatedReplicas < replicas) return true;
  return totalReplicas > updatedReplicas || availableReplicas < Math.min(1, replicas);
}

function failureOf(input: AgentHealthInput): ContainerFailure | undefined {
  const { deployment, pods, engineRefusal, connecting, now } = input;
  const replicaFailure = find(conditionsOf(input), 'ReplicaFailure', 'True');
  if (replicaFailure)
    return { message: `no Pod can be created: ${replicaFailure.message ?? replicaFailure.reason}` };

  const current = pods.filter(({ metadata, configHash }) => {
    const isStale = deployment?.configHash !== undefined && configHash !== deployment.configHash;
    return metadata.deletionTimestamp === undefined && !isStale;
  });
  const causes = current
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((pod) => pod.containers.map((container) => containerFailure(pod.metadata.name, container, now)));
  const cause = causes.find((found) => found !== undefined);
  if (cause !== undefined) return cause;

  const stalled = overdue(input);
  if (!stalled || engineRefusal || connecting) return undefined;
  return {
    message: `the rollout does not progress: ${unschedulable(pods) ?? stalled.message ?? stalled.reason}`,
  };
}

function conditionsOf({ deployment }: AgentHealthInput): readonly KubeCondition[] {
  return deployment === undefined || !isCurrent(deployment) ? [] : deployment.conditions;
}

/** The rollout has taken longer than the Deployment's progressDeadlineSeconds. */
function overdue(input: AgentHealthInput): KubeCondition | undefined {
  return find(conditionsOf(input), 'Progressing', 'False');
}

function unschedulable(pods: readonly CachedPod[]): string | undefined {
  const conditions = pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((pod) => pod.conditions);
  return find(conditions, 'PodScheduled', 'False')?.message;
}

function find(conditions: readonly KubeCondition[], type: string, status: string): KubeCondition | undefined {
  return conditions.find((condition) => condition.type === type && condition.status === status);
}
