// The address of an engine: `host`, `host:port` or `[v6]:port`, port 443 when left out. Anything else is refused.

import { isIP } from 'node:net';
import { RstreamError } from './errors.ts';

export interface EngineAddress {
  /** Lower-case name or IP literal, without brackets. */
  readonly host: string;
  readonly port: number;
}

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Parses what a user or a redirect wrote; throws ERR_RSTREAM_INVALID_ENGINE. */
export function parseEngineAddress(text: string): EngineAddress {
  const trimmed = text.trim();
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(trimmed);
  const host = (match?.[1] ?? match?.[2])?.toLowerCase();
  const port = match?.[3] === undefined ? 443 : Number(match[3]);
  const bracketed = match?.[1] !== undefined;

  if (host === undefined || port < 1 || port > 65_535 || !validHost(host, bracketed)) {
    throw new RstreamError(
      'ERR_RSTREAM_INVALID_ENGINE',
      `"${trimmed.slice(0, 300)}" is not an engine address; write host, host:port or [v6]:port`,
    );
  }
  return { host, port };
}

/** `host:port`, with brackets around IPv6. */
export function formatEngineAddress(address: EngineAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function validHost(host: string, bracketed: boolean): boolean {
  if (bracketed) return isIP(host) === 6;
  return host.length <= 253 && host.split('.').every((part) => label.test(part));
}
