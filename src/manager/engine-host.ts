// An engine address as `host` and `port`, the way users write it and the way a control plane hands it out.

import { isIPv6 } from 'node:net';

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ipv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const defaultPort = 443;

export interface EngineHost {
  /** Lower-case, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host`, `host:port`, `[v6]` or `[v6]:port`; undefined when it is none of these. */
export function parseEngine(text: string): EngineHost | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@\\[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  if (!match) return undefined;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) return undefined;

  const host = (match[1] ?? match[2] ?? '').toLowerCase();
  const isValid = match[1] === undefined ? isDnsName(host) : isIPv6(host);
  return isValid ? { host, port } : undefined;
}

/** `host:port`, with brackets around IPv6. */
export function formatEngine({ host, port }: EngineHost): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Labels of a DNS name: letters, digits and inner hyphens, 253 characters in all. IPv4 literals pass. */
export function isDnsName(name: string): boolean {
  const absolute = name.endsWith('.') ? name.slice(0, -1) : name;
  return absolute.length <= 253 && absolute.split('.').every((part) => label.test(part));
}

/** What the API server takes for the name of most objects: a DNS name in lower case, without a dot at its end. */
export function isObjectName(name: string): boolean {
  return isDnsName(name) && !name.endsWith('.');
}

export function isDnsLabel(text: string): boolean {
  return label.test(text);
}

export function isIpLiteral(host: string): boolean {
  return host.includes(':') || ipv4.test(host);
}
