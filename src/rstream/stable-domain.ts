// Hostnames that outlive a tunnel: `<slug>-<project endpoint>.t.<cluster>`, built from the engine's address alone. An
// engine that is an IP literal or a single label has none.

import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const slugLength = 9;

/** The hostname for a slug of our own making (at most nine characters, a DNS label's beginning). */
export function stableHostname(engine: string, slug: string): string | undefined {
  const host = engineHostname(engine);
  if (host === undefined || isIP(host) !== 0) return undefined;
  const [endpoint = '', ...cluster] = host.split('.');
  if (cluster.length === 0 || ![endpoint, ...cluster].every((part) => label.test(part))) return undefined;
  if (63 - endpoint.length - 1 < slugLength || slug.length > slugLength) return undefined;
  return `${slug}-${endpoint}.t.${cluster.join('.')}`;
}

/** As the SDKs make them: a random slug, to be generated once and kept. `random` returns that many random bytes. */
export function randomStableHostname(
  engine: string,
  random: (bytes: number) => Buffer = randomBytes,
): string | undefined {
  return stableHostname(engine, `r${random(4).toString('hex')}`);
}

/** The host of an address written with or without scheme, port, brackets, trailing dot; undefined when it is no name or IPv4. */
export function engineHostname(engine: string): string | undefined {
  const text = engine.trim();
  const authority = text.includes('://') ? (text.split('://')[1] ?? '').split(/[/?#]/)[0] : text;
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(authority ?? '');
  const host = bracketed ? bracketed[1] : authority?.replace(/:\d+$/, '');
  const name = host?.replace(/\.$/, '').toLowerCase();
  return name && !name.includes(':') ? name : undefined;
}
