// The hostname a tunnel without one of its own asks the engine for. It is the same after delete and re-create, after a
// restore, and after a move from rstream's Go operator; nothing a status says can change it.

import { createHash } from 'node:crypto';
import { isDnsLabel, isIpLiteral, parseEngine } from './engine-host.ts';

export interface StableHostnameInput {
  /** The resolved engine, `host:port`. */
  readonly engine: string;
  readonly clusterId: string;
  readonly namespace: string;
  readonly name: string;
  /** The hostname in the tunnel's own ConfigMap, kept while it fits the engine. */
  readonly previous?: string | undefined;
}

/** `<slug>-<endpoint>.t.<cluster>`, or undefined when the engine has no stable domains (an IP, a single label, no room). */
export function stableHostname(input: StableHostnameInput): string | undefined {
  const suffix = stableSuffix(input.engine);
  if (suffix === undefined) return undefined;
  if (input.previous !== undefined && fits(input.previous, suffix)) return input.previous;
  return `r${slug(input)}-${suffix}`;
}

/** `<endpoint>.t.<cluster>`: what follows the slug in every stable hostname of this engine. */
function stableSuffix(engine: string): string | undefined {
  const host = parseEngine(engine)?.host.replace(/\.$/, '');
  if (host === undefined || isIpLiteral(host)) return undefined;

  const [endpoint = '', ...cluster] = host.split('.');
  if (cluster.length === 0 || ![endpoint, ...cluster].every(isDnsLabel)) return undefined;
  const roomForSlug = 63 - endpoint.length - 1;
  return roomForSlug < 9 ? undefined : `${endpoint}.t.${cluster.join('.')}`;
}

function fits(hostname: string, suffix: string): boolean {
  return hostname.endsWith(`-${suffix}`) && /^r[0-9a-f]{8}$/.test(hostname.slice(0, -suffix.length - 1));
}

function slug({ clusterId, namespace, name }: StableHostnameInput): string {
  return createHash('sha256').update(`${clusterId}/${namespace}/${name}`).digest('hex').slice(0, 8);
}
