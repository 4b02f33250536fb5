// Which public names exist under this engine: those it makes up for tunnels that ask for none, those it lets a tunnel ask
// for, and the match of a visitor's name against exact and wildcard routes.

import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { invalidRequest } from './errors.ts';

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const dnsName = new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`);

export interface HostnameRules {
  /** Names are minted as `<slug>-<endpoint>.t.<domain>`. */
  readonly domain: string;
  readonly endpoint: string;
  /** Further names, and everything under them, that tunnels may ask for. */
  readonly customDomains: readonly string[];
  /** Names this engine itself is reached by; `<slug>-<first label>.t.<rest>` of each may be asked for. */
  readonly ownNames: readonly string[];
}

/** A fresh name for a tunnel that asked for none. */
export function mintHostname(rules: HostnameRules): string {
  return `r${randomBytes(4).toString('hex')}-${rules.endpoint}.t.${rules.domain}`;
}

/** The name a tunnel asked for, in its canonical form; throws 2000 when it is malformed or not ours to give. */
export function acceptHostname(rules: HostnameRules, requested: string): string {
  const name = requested.trim().toLowerCase().replace(/\.$/, '');
  if (name.length > 253 || !dnsName.test(name) || isIP(name)) {
    throw invalidRequest(`"${name.slice(0, 100)}" is not a host name`);
  }
  const bare = name.replace(/^\*\./, '');
  const under = (domain: string) => bare === domain || bare.endsWith(`.${domain}`);
  const apiNames = [`${rules.endpoint}.${rules.domain}`, rules.domain, ...rules.ownNames];
  if (apiNames.includes(bare)) throw invalidRequest(`${name} is the engine's own name`);
  if (bare.endsWith(`.${rules.domain}`) || rules.customDomains.some(under)) return name;
  if ([rules.domain, ...rules.ownNames].some((own) => isStableName(bare, own))) return name;
  throw invalidRequest(
    `${name} is not this engine's to give; ask for a name under .${rules.domain}, for example web.t.${rules.domain}`,
  );
}

/** The routes a visitor's name may match, best first. */
export function candidateNames(serverName: string): readonly string[] {
  const dot = serverName.indexOf('.');
  return dot < 0 ? [serverName] : [serverName, `*${serverName.slice(dot)}`];
}

/** Whether `name` is what a client derives as its stable name from an engine called `own`, or is under `.t.<own>`. */
function isStableName(name: string, own: string): boolean {
  if (isIP(own)) return false;
  if (name.endsWith(`.t.${own}`)) return true;
  const dot = own.indexOf('.');
  if (dot < 0) return false;
  const suffix = `-${own.slice(0, dot)}.t.${own.slice(dot + 1)}`;
  return name.endsWith(suffix) && !name.slice(0, -suffix.length).includes('.') && name.length > suffix.length;
}
