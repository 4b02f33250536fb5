// Tunnels, conditions and Pods with only what a test cares about.

import type { Condition } from '../../src/api/conditions.ts';
import type { RstreamTunnel, RstreamTunnelSpec } from '../../src/api/resources.ts';
import type { CachedPod, ContainerState, DeploymentState } from '../../src/manager/cached-objects.ts';
import type { TunnelPolicy } from '../../src/manager/resolve-tunnel.ts';

export const UID = '11111111-2222-3333-4444-555555555555';
export const EARLIER = '2026-01-01T00:00:00Z';

/** A manager's without flags. */
export const DEFAULT_POLICY: TunnelPolicy = {
  crossNamespaceTargets: 'grant',
  allowExternalName: false,
  allowedAgentImages: [],
  watchNamespaces: [],
};

/** shop/web, which publishes port 80 of Service app. */
export function tunnelOf(
  spec: Partial<RstreamTunnelSpec> = {},
  status?: RstreamTunnel['status'],
): RstreamTunnel {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: UID, generation: 2 },
    spec: { target: { service: { name: 'app', port: 80 } }, ...spec },
    ...(status && { status }),
  };
}

export function condition<T extends string, R extends string>(
  type: T,
  status: Condition['status'],
  reason: R,
  more: Partial<Omit<Condition, 'type' | 'reason'>> = {},
): Condition & { readonly type: T; readonly reason: R } {
  return { type, status, reason, message: `${type} says ${reason}`, lastTransitionTime: EARLIER, ...more };
}

interface PodOptions {
  readonly ready?: boolean;
  readonly hash?: string;
  readonly terminating?: boolean;
  readonly waiting?: Partial<ContainerState>;
  readonly unschedulable?: string;
}

export function pod(name: string, options: PodOptions = {}): CachedPod {
  const { ready = true, hash = 'h1', terminating = false, waiting, unschedulable } = options;
  const deletionTimestamp = terminating ? EARLIER : undefined;
  return {
    metadata: { name, namespace: 'shop', uid: name, resourceVersion: '1', deletionTimestamp },
    tunnelUid: UID,
    configHash: hash,
    ready,
    phase: 'Running',
    conditions: unschedulable
      ? [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unschedulable }]
      : [],
    containers: [{ name: 'agent', ready, restarts: 0, ...waiting }],
  };
}

/** A Deployment of one replica, rolled out and available. */
export function deployment(more: Partial<DeploymentState> = {}): DeploymentState {
  return {
    generation: 1,
    observedGeneration: 1,
    replicas: 1,
    configHash: 'h1',
    availableReplicas: 1,
    updatedReplicas: 1,
    totalReplicas: 1,
    conditions: [],
    ...more,
  };
}
