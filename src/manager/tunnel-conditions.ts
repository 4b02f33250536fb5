// From what a reconcile found out to the conditions the manager writes. Pure: TunnelReady and TargetReachable are read
// here, never written.

import { type Condition, type ConditionUpdate, findCondition } from '../api/conditions.ts';
import type { AgentHealth } from './agent-health.ts';
import type { TunnelBlockReason } from './resolve-tunnel.ts';

export interface TunnelFindings {
  readonly generation: number;
  /** Why the spec cannot work. */
  readonly specProblem?: string | undefined;
  readonly suspended: boolean;
  readonly resolution:
    | { readonly resolved: true; readonly message: string }
    | { readonly reason: TunnelBlockReason; readonly message: string };
  readonly agent: AgentHealth;
  /** The newest generation that the Pod which holds the tunnel runs. */
  readonly runningGeneration: number;
  /** What the engine says to the agents of this very configuration when it refuses them. */
  readonly engineRefusal: string | undefined;
  /** The live conditions, those of the agent included. */
  readonly live: readonly Condition[];
}

/** Reconciling's message while nothing hinders the rollout. */
export const ROLLING_OUT = 'the agent is being rolled out';

type Verdict = Omit<ConditionUpdate, 'type' | 'observedGeneration'>;

/** In the order they are shown; Reconciling and Stalled only while they are True. */
export function tunnelConditions(findings: TunnelFindings): readonly ConditionUpdate[] {
  const { generation } = findings;
  const accepted = acceptedVerdict(findings);
  const resolved = resolvedVerdict(findings);
  const agent = agentVerdict(findings.agent);
  const ready = readyVerdict(findings, accepted, resolved);

  return [
    { type: 'Accepted', ...accepted, observedGeneration: generation },
    { type: 'Resolved', ...resolved, observedGeneration: generation },
    { type: 'AgentReady', ...agent, observedGeneration: generation },
    { type: 'Ready', ...ready, observedGeneration: findings.runningGeneration },
    ...progress(findings, accepted, resolved),
  ];
}

function acceptedVerdict({ specProblem }: TunnelFindings): Verdict {
  if (specProblem !== undefined) return { status: 'False', reason: 'InvalidSpec', message: specProblem };
  return { status: 'True', reason: 'Accepted', message: 'the specification is valid' };
}

function resolvedVerdict({ resolution }: TunnelFindings): Verdict {
  if ('resolved' in resolution) return { status: 'True', reason: 'Resolved', message: resolution.message };
  return { status: 'False', reason: resolution.reason, message: resolution.message };
}

function agentVerdict({ status, reason, message }: AgentHealth): Verdict {
  return { status, reason, message };
}

/** A refused agent is never ready, so the refusal is said before the Deployment that waits for it. */
function readyVerdict(findings: TunnelFindings, accepted: Verdict, resolved: Verdict): Verdict {
  if (findings.suspended) {
    return { status: 'False', reason: 'Suspended', message: 'spec.suspend is true; no agent runs' };
  }
  if (accepted.status !== 'True') return { ...accepted, status: 'False' };
  if (resolved.status !== 'True') return { ...resolved, status: 'False' };

  const { agent, engineRefusal } = findings;
  if (agent.reason === 'DeploymentFailed') return { ...agentVerdict(agent), status: 'False' };
  if (agent.status !== 'True' && engineRefusal !== undefined) {
    return { status: 'False', reason: 'TunnelRejected', message: engineRefusal };
  }
  if (agent.status !== 'True') {
    return { status: 'False', reason: 'WaitingForDeployment', message: agent.message };
  }
  const tunnel = findCondition(findings.live, 'TunnelReady');
  if (tunnel?.status === 'True') return { status: 'True', reason: 'Ready', message: tunnel.message };
  if (tunnel?.reason === 'TunnelRejected') {
    return { status: 'False', reason: 'TunnelRejected', message: tunnel.message };
  }
  const message = tunnel?.message || 'the agent has not reported the tunnel yet';
  return { status: 'False', reason: 'WaitingForTunnel', message };
}

/** Engine codes that pass by themselves: unavailable, capacity, internal. */
const passingCodes = new Set(['6000', '7000', '9000']);

function progress(
  findings: TunnelFindings,
  accepted: Verdict,
  resolved: Verdict,
): readonly ConditionUpdate[] {
  const { generation: observedGeneration, agent, suspended } = findings;
  if (suspended) return [];
  const stalled = stalledVerdict(findings, accepted, resolved);
  if (stalled !== undefined) return [{ type: 'Stalled', ...stalled, observedGeneration }];
  if (accepted.status !== 'True' || resolved.status !== 'True' || !agent.rollingOut) return [];
  return [
    {
      type: 'Reconciling',
      status: 'True',
      reason: 'RolloutInProgress',
      message: agent.hindrance ? `${ROLLING_OUT}: ${agent.hindrance}` : ROLLING_OUT,
      observedGeneration,
    },
  ];
}

function stalledVerdict(
  { agent, engineRefusal }: TunnelFindings,
  accepted: Verdict,
  resolved: Verdict,
): Verdict | undefined {
  if (accepted.status !== 'True') return { ...accepted, status: 'True' };
  if (resolved.reason === 'RefNotPermitted') return { ...resolved, status: 'True' };
  if (resolved.status !== 'True') return undefined;
  if (agent.reason === 'DeploymentFailed')
    return { status: 'True', reason: agent.reason, message: agent.message };

  if (engineRefusal === undefined || passingCodes.has(engineCode(engineRefusal))) return undefined;
  return { status: 'True', reason: 'TunnelRejected', message: engineRefusal };
}

/** The code at the end of the agent's sentence; the engine's own words before it may hold any number. */
function engineCode(message: string): string {
  return /\(code (\w+)\)$/.exec(message)?.[1] ?? '';
}
