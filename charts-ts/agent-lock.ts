// Decides whether two agents of one tunnel may run side by side. The engine is the lock: it lets one live tunnel hold a
// hostname or a port, so without either a second agent would open a second tunnel beside the first.

import type { AgentConfig } from '../src/api/agent-config.ts';
import type { AgentPodSettings } from './agent-props.ts';

export type AgentStrategy = 'Handover' | 'Recreate';

/** Whether the engine refuses a second live tunnel of this configuration. */
export function hasLock(tunnel: AgentConfig['tunnel']): boolean {
  if (tunnel.publish === false) return false;
  return tunnel.protocol === 'tcp' ? tunnel.tcpPort !== undefined : Boolean(tunnel.hostname);
}

/**
 * How Pods are replaced: the user's word, else Handover where there is a lock. An image of the user's own may be an agent
 * that never turns ready while it stands by, and then a handover would never end.
 */
export function agentStrategy(tunnel: AgentConfig['tunnel'], agent: AgentPodSettings = {}): AgentStrategy {
  return agent.strategy ?? (agent.image || !hasLock(tunnel) ? 'Recreate' : 'Handover');
}

/** How many agents run: what the user asked for, but one where nothing can be the lock. */
export function agentReplicas(tunnel: AgentConfig['tunnel'], agent: AgentPodSettings = {}): number {
  return hasLock(tunnel) ? (agent.replicas ?? 1) : 1;
}
