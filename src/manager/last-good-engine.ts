// After a restart the last good engine of a connection is only written in places others may write too. Its status is
// believed when a ConfigMap of one of its tunnels, which we applied ourselves, says the same. Pure.

import { parseAgentConfig } from '../api/agent-config.ts';
import { findCondition } from '../api/conditions.ts';
import type { CachedChild } from './cached-objects.ts';
import type { CachedConnection } from './cached-tunnel.ts';
import { wroteConfig } from './child-judgement.ts';

/** `configs` are the `config.yaml` texts of the connection's tunnels. */
export function lastGoodEngine(connection: CachedConnection, configs: Iterable<string>): string | undefined {
  const { metadata, status } = connection;
  const ready = findCondition(status?.conditions, 'Ready');
  const isOfThisSpec = ready?.status === 'True' && ready.observedGeneration === metadata.generation;
  const engine = status?.engine;
  if (!isOfThisSpec || !engine) return undefined;

  for (const config of configs) {
    if (engineOf(config) === engine) return engine;
  }
  return undefined;
}

/** The `config.yaml` of a tunnel's ConfigMap, when it is that tunnel's and as we applied it. */
export function ownConfig(configMap: CachedChild | undefined, tunnelUid: string): string | undefined {
  const isOwn = configMap?.controllerUid === tunnelUid && wroteConfig(configMap);
  return isOwn ? configMap.config : undefined;
}

function engineOf(config: string): string | undefined {
  try {
    return parseAgentConfig(config).connection.engine;
  } catch {
    return undefined;
  }
}
