// The headers an edge changes on their way: those that belong to one hop go, and what the edge knows about the visitor
// replaces whatever the visitor claimed.

import type { Headers } from './http-exchange.ts';

type Incoming = Readonly<Record<string, string | string[] | undefined>>;

/** RFC 9110 section 7.6.1, and what only means something to a proxy. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What a visitor could forge. */
const claimed = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
];

/** Everything but what belongs to this hop, named there or in `connection`. */
export function endToEndHeaders(headers: Incoming): Headers {
  const named = String(headers.connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const kept: Headers = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || hopByHop.has(name) || named.includes(name)) continue;
    kept[name] = value;
  }
  return kept;
}

export interface VisitorFacts {
  readonly address: string;
  readonly authority: string;
}

/** The headers of a request on its way to the service. */
export function upstreamHeaders(headers: Incoming, visitor: VisitorFacts): Headers {
  const kept = endToEndHeaders(headers);
  for (const name of claimed) delete kept[name];
  kept.host = visitor.authority;
  kept['x-forwarded-for'] = visitor.address;
  kept['x-forwarded-host'] = visitor.authority;
  kept['x-forwarded-proto'] = 'https';
  kept['x-forwarded-port'] = /:(\d+)$/.exec(visitor.authority)?.[1] ?? '443';
  if (String(headers.te ?? '').includes('trailers')) kept.te = 'trailers';
  return kept;
}
