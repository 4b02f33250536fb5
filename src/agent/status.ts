// The agent's part of an RstreamTunnel's status, derived from what it knows and what is there. Pure: the rules about who may
// write what are here.

import { type Condition, type ConditionUpdate, findCondition, nextCondition } from '../api/conditions.ts';
import type { LiveOwner } from './handover.ts';
import { type LastError, refusalText, type TunnelState } from './state.ts';
import type { Reachability } from './target-health.ts';

/** The fields of status this agent owns, and the conditions it needs to see. */
export interface AgentStatus {
  readonly conditions?: readonly Condition[] | undefined;
  readonly agentPod?: string | undefined;
  readonly tunnelID?: string | undefined;
  readonly forwardingAddress?: string | undefined;
  /** `<RFC 3339 time> <code> <message>`, kept after recovery. */
  readonly lastError?: string | undefined;
}

export interface Known {
  readonly tunnel: TunnelState;
  readonly lastError: LastError | undefined;
  readonly target: Reachability | undefined;
  readonly targetAddress: string;
  readonly podName: string;
  /** This time online has been reported before; if another Pod speaks for the tunnel since, it has the word. */
  readonly announced?: boolean | undefined;
  /** The address stays true while nobody is online: it comes from a hostname or a port that was asked for. */
  readonly stableAddress: boolean;
}

export function liveOwner(status: AgentStatus | undefined): LiveOwner {
  const ready = findCondition(status?.conditions, 'TunnelReady');
  return { tunnelReady: ready?.status === 'True', agentPod: status?.agentPod };
}

/** What the schema has room for in a field; what an engine says is as long as it likes. */
const maxFieldLength = 1_024;

/** All the agent's fields as they should be, or undefined when they are so already or are not ours to write now. */
export function nextStatus(known: Known, live: AgentStatus | undefined, now: Date): AgentStatus | undefined {
  const ready = tunnelReady(known.tunnel);
  if (!ready || isAnothersWord(known, live)) return undefined;

  const next = withoutAbsent({
    conditions: conditions(known, ready, live, now),
    ...holder(known, live),
    lastError: known.lastError ? errorText(known.lastError) : live?.lastError,
  });
  return JSON.stringify(next) === JSON.stringify(ours(live)) ? undefined : next;
}

/** Whether another Pod is online and speaks for the tunnel: only who has just come online may take the word from it. */
export function isAnothersWord(
  { tunnel, announced, podName }: Known,
  live: AgentStatus | undefined,
): boolean {
  const mayTakeTheWord = tunnel.kind === 'online' && !announced;
  const owner = liveOwner(live);
  return !mayTakeTheWord && owner.tunnelReady && owner.agentPod !== podName;
}

/** The agent's fields of a live status, in the order nextStatus gives them. */
function ours(live: AgentStatus | undefined): AgentStatus {
  const found = ['TunnelReady', 'TargetReachable'].map((type) => findCondition(live?.conditions, type));
  return withoutAbsent({
    conditions: found.filter((condition) => condition !== undefined).map(ordered),
    agentPod: live?.agentPod,
    tunnelID: live?.tunnelID,
    forwardingAddress: live?.forwardingAddress,
    lastError: live?.lastError,
  });
}

function conditions(
  known: Known,
  ready: ConditionUpdate,
  live: AgentStatus | undefined,
  now: Date,
): readonly Condition[] {
  const result = [nextCondition(live?.conditions, ready, now)];
  const target = targetReachable(known);
  const before = findCondition(live?.conditions, 'TargetReachable');
  if (target) result.push(nextCondition(live?.conditions, target, now));
  else if (before) result.push(before);
  return result.map(plain);
}

/** As this agent writes it: rstream's Go agent left an observedGeneration, which nobody would keep up to date. */
function plain({ observedGeneration: _, ...condition }: Condition): Condition {
  return ordered(condition);
}

function ordered({ type, status, reason, message, lastTransitionTime, ...rest }: Condition): Condition {
  return { type, status, reason, message, lastTransitionTime, ...rest };
}

function holder(known: Known, live: AgentStatus | undefined): AgentStatus {
  const { tunnel, podName, stableAddress } = known;
  if (tunnel.kind === 'online') {
    const tunnelID = tunnel.tunnelId.slice(0, maxFieldLength);
    const forwardingAddress = tunnel.forwardingAddress.slice(0, maxFieldLength);
    return { agentPod: podName, tunnelID, forwardingAddress };
  }
  return {
    agentPod: live?.agentPod === podName ? podName : undefined,
    tunnelID: undefined,
    forwardingAddress: stableAddress ? live?.forwardingAddress : undefined,
  };
}

/** Undefined while there is nothing to be said: another agent holds the tunnel, or we are shutting down. */
function tunnelReady(tunnel: TunnelState): ConditionUpdate | undefined {
  const type = 'TunnelReady';
  switch (tunnel.kind) {
    case 'online': {
      const message = `the tunnel is online at ${tunnel.forwardingAddress}`;
      return { type, status: 'True', reason: 'TunnelOnline', message };
    }
    case 'connecting':
      return { type, status: 'False', reason: 'TunnelConnecting', message: tunnel.message };
    case 'disconnected': {
      const message = `${tunnel.problem.message}; the agent keeps trying`;
      return { type, status: 'False', reason: 'TunnelDisconnected', message };
    }
    case 'rejected': {
      const message = refusalText(tunnel.problem);
      return { type, status: 'False', reason: 'TunnelRejected', message };
    }
    case 'standby':
    case 'stopping':
      return undefined;
  }
}

function targetReachable({ target, targetAddress }: Known): ConditionUpdate | undefined {
  if (!target) return undefined;
  const type = 'TargetReachable';
  if (target.reachable) {
    const message = `${targetAddress} can be reached`;
    return { type, status: 'True', reason: 'TargetReachable', message };
  }
  return { type, status: 'False', reason: 'TargetUnreachable', message: target.cause };
}

function errorText({ at, code, message }: LastError): string {
  return `${at.toISOString().slice(0, 19)}Z ${code} ${message}`.slice(0, 2_048);
}

/** Absent fields left out, so that equal statuses are equal texts. */
function withoutAbsent(status: AgentStatus): AgentStatus {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
}
