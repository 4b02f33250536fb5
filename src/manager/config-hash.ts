// The value of the Pod template annotation that rolls agents: it changes when the agent's configuration changes or the
// value of a Secret key the agent uses, and for nothing else. Secrets enter it only through a digest.

import { createHash } from 'node:crypto';
import { type AgentConfig, stringifyAgentConfig } from '../api/agent-config.ts';

/** `secretsDigest` covers every Secret value that the Pod refers to. */
export function configHash(config: AgentConfig, secretsDigest: string): string {
  return digest(['config', stringifyAgentConfig(config), 'secrets', secretsDigest]);
}

/** A digest over named values; neither order of insertion nor lengths can make two different maps equal. */
export function digestOf(values: ReadonlyMap<string, string>): string {
  return digest([...values].toSorted(([a], [b]) => (a < b ? -1 : 1)).flat());
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
