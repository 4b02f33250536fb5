// Regular expressions shared by CEL rules, patterns and checks. They mean the same in RE2 and in JavaScript.

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const PORT = '(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';
const BLANK = '[ \\t\\r\\n]*';
const HOST = '[^ \\t\\r\\n/?#@\\\\:\\[\\]]{1,253}';
const BRACKETED = '\\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\\]';
const BARE_IPV6 = '[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*';
const DNS_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** An IPv4 address. */
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;
const IPV6 = `[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?::${IPV4})?`;

/** `host`, `host:port`, `[v6]` or `[v6]:port`, blanks around it allowed. */
export const ENGINE = `^${BLANK}(?:${HOST}|${BRACKETED})(?::${PORT})?${BLANK}$`;

/** A resolver's address: like an engine's, or empty. */
export const RESOLVER = `^(?:(?:${HOST}|${BRACKETED})(?::${PORT})?|${BARE_IPV6})?$`;

/** A resolver's address whose host is an IP. */
export const IP_RESOLVER = `^(?:${IPV4}(?::[0-9]+)?|\\[.*|${BARE_IPV6})$`;

/** A DNS name, perhaps with `*.` before it, blanks around it allowed; or nothing. */
export const HOSTNAME = `^${BLANK}(?:(?:\\*\\.)?${DNS_LABEL}(?:\\.${DNS_LABEL})*)?${BLANK}$`;

/** Nothing but blanks. */
export const EMPTY = `^${BLANK}$`;

/** An IP address or CIDR block. */
export const IP_OR_CIDR = `^(?:${IPV4}(?:/(?:3[0-2]|[12]?[0-9]))?|${IPV6}(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$`;

export const COUNTRY = '^[A-Za-z0-9]{2}$';
export const REGION = '^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?$';

/** A Service port's name. */
export const PORT_NAME = '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$';

/** A namespace's name, or nothing. */
export const NAMESPACE = '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$';

/** A header's name: an HTTP token. */
export const HTTP_TOKEN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/** A header's value on one line. */
export const HEADER_VALUE = '^[^\\r\\n]*$';

/** An http or https URL without user info, query and fragment. */
export const PLAIN_URL = '^https?://[^ \\t\\r\\n/?#@\\\\]+(?:/[^ \\t\\r\\n?#@\\\\]*)?$';

/** The URL of an HTTP proxy: nothing after the port; or nothing at all. */
export const PROXY_URL = `^(?:https?://(?:${HOST}|${BRACKETED})(?::${PORT})?/?)?$`;

/** A pattern as a CEL string literal. */
export function celPattern(pattern: string): string {
  return `'${pattern.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Whether `value` matches; patterns here are short and linear, so compiling each time is cheap enough. */
export function matches(value: string, pattern: string): boolean {
  return new RegExp(pattern, 'u').test(value);
}
