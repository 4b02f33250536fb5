// From a plan and what runs to the status a tunnel should have. Pure.

import type { AgentConfig } from '../api/agent-config.ts';
import { isConditionTrue } from '../api/conditions.ts';
import { childNames } from '../api/names.ts';
import type { RstreamTunnel } from '../api/resources.ts';
import { agentHealth } from './agent-health.ts';
import type { CachedPod, DeploymentState } from './cached-objects.ts';
import type { TunnelResolution } from './resolve-tunnel.ts';
import { currentReport, runningGeneration } from './running-generation.ts';
import type { StatusWish } from './status-writes.ts';
import { tunnelConditions } from './tunnel-conditions.ts';
import type { TunnelPlan } from './tunnel-plan.ts';

export interface TunnelStatusInput {
  readonly tunnel: RstreamTunnel;
  readonly specProblem: string | undefined;
  readonly resolution: Exclude<TunnelResolution, { readonly pending: true }>;
  readonly plan: TunnelPlan;
  /** What the API server refused for good while the plan was carried out. */
  readonly refusal: string | undefined;
  /** What kept it from being carried out this time. */
  readonly trouble?: string | undefined;
  readonly deployment: DeploymentState | undefined;
  readonly pods: readonly CachedPod[];
  /** Epoch milliseconds. */
  readonly now: number;
  /** What is in the tunnel's own ConfigMap, for a plan that has no configuration. */
  readonly liveConfig: AgentConfig | undefined;
}

export interface TunnelStatus extends StatusWish {
  /** When to judge again although nothing changes. */
  readonly againInMs: number | undefined;
}

export function tunnelStatus(input: TunnelStatusInput): TunnelStatus {
  const { tunnel, resolution, plan, pods, refusal, specProblem } = input;
  const generation = tunnel.metadata.generation ?? 0;
  const live = tunnel.status?.conditions ?? [];
  const suspended = tunnel.spec.suspend === true;
  const deployment = plan.action === 'stop' || suspended ? undefined : input.deployment;
  const { base } = childNames(tunnel.metadata.name, tunnel.metadata.uid);
  const applied = plan.action === 'apply' || plan.action === 'keep' ? plan : undefined;
  const { agentPod } = tunnel.status ?? {};
  const { refusal: engineRefusal, connecting } = currentReport({ hash: applied?.hash, pods, live });

  // Said until it is known to be gone: whether to look for it depends on that.
  const isThere = deployment !== undefined || (input.trouble && tunnel.status?.agentDeployment);
  const agent = agentHealth({
    name: base,
    deployment,
    pods,
    now: input.now,
    refusal,
    trouble: input.trouble,
    engineRefusal,
    connecting,
    note: applied?.note,
    unwanted: noAgent(input),
    wasAvailable: isConditionTrue(live, 'AgentReady'),
  });
  const conditions = tunnelConditions({
    generation,
    specProblem,
    suspended,
    resolution:
      'blocked' in resolution ? resolution.blocked : { resolved: true, message: forwarding(resolution) },
    agent,
    runningGeneration: runningGeneration({ generation, hash: applied?.hash, agentPod, pods, live }),
    engineRefusal,
    live,
  });
  return {
    observedGeneration: generation,
    conditions,
    againInMs: agent.againInMs,
    fields: { ...shown(applied?.config ?? input.liveConfig), agentDeployment: isThere ? base : undefined },
  };
}

/** Why nobody need wait for an agent, as far as this reconcile goes. */
function noAgent({ tunnel, plan, specProblem, resolution }: TunnelStatusInput): string | undefined {
  if (tunnel.spec.suspend === true) return 'no agent runs, because spec.suspend is true';
  if (specProblem !== undefined) return 'no agent runs before the specification is accepted; see Accepted';
  if (!('blocked' in resolution)) return undefined;
  return `no agent runs ${plan.action === 'stop' ? 'while this is refused' : 'before everything is there'}; see Resolved`;
}

function forwarding({
  resolved: { target, connection },
}: Extract<TunnelResolution, { resolved: unknown }>): string {
  return `forwarding from engine ${connection.engine} to ${target.host}:${target.port}`;
}

function shown(config: AgentConfig | undefined): StatusWish['fields'] {
  return {
    rstreamName: config?.tunnel.name,
    hostname: config?.tunnel.hostname,
    target: config && `${config.target.host}:${config.target.port}`,
  };
}
