// Says on a tunnel that nobody serves it any more, alone and under a field manager of its own, with the resourceVersion it
// was judged at: an agent that has spoken meanwhile is never overwritten.

import { kubernetesTime } from '../api/conditions.ts';
import { FIELD_MANAGER } from '../api/group.ts';
import type { TunnelIdentity } from '../api/names.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconciled } from '../kube/controller.ts';
import { isConflict, isInvalid, isNotFound } from '../kube/errors.ts';
import type { CachedPod } from './cached-objects.ts';
import type { CachedTunnel } from './cached-tunnel.ts';
import type { TakeoverWatch } from './takeover.ts';
import { tunnels } from './watched-resources.ts';

export interface TakeoverWriterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly takeovers: TakeoverWatch;
  readonly pods: (tunnel: TunnelIdentity) => readonly CachedPod[];
  readonly written: (tunnel: CachedTunnel) => void;
}

export interface TakenOver extends Reconciled {
  /** The API server's sentence, when it does not take any status for this object: only a change of it can help. */
  readonly refused?: string | undefined;
}

/** `tunnel` is exactly what its resourceVersion says, status included. */
export async function takeOver(
  options: TakeoverWriterOptions,
  tunnel: CachedTunnel,
  signal: AbortSignal,
): Promise<TakenOver> {
  const { takeovers, clock, client, pods, written } = options;
  const { uid, name, namespace, resourceVersion } = tunnel.metadata;
  const { conditions, agentPod, tunnelID: tunnelId } = tunnel.status ?? {};
  const input = { conditions, agentPod, tunnelId, pods: pods({ name, namespace, uid }), now: clock.now() };
  const verdict = takeovers.judge(uid, input);
  if (verdict === undefined) return {};
  if ('inMs' in verdict) return { requeueAfterMs: verdict.inMs };

  const condition = {
    type: 'TunnelReady',
    status: 'Unknown',
    reason: 'AgentUnavailable',
    message: `${agentPod ? `Pod ${agentPod}` : 'the agent'}, which held the tunnel, is gone, not ready, or not labelled as its agent any more`,
    lastTransitionTime: kubernetesTime(clock.date()),
  };
  const object = { metadata: { name, namespace, resourceVersion }, status: { conditions: [condition] } };
  try {
    written(await client.applyStatus(tunnels, object, { fieldManager: FIELD_MANAGER.takeover, signal }));
    return {};
  } catch (error) {
    if (isConflict(error)) {
      // Judging the same version again would end the same, and a watch that hangs brings no other.
      const live = await client.get(tunnels, { namespace, name }, { signal });
      if (live !== undefined) written(live);
      return { requeue: true };
    }
    if (isNotFound(error)) return {};
    if (isInvalid(error) && error instanceof Error) return { refused: error.message };
    throw error;
  }
}
