// Which custom headers a RstreamConnection may send to its control plane. The schema refuses the same ones; this guards
// objects stored under older rules.

import { RESERVED_HEADERS } from '../../charts-ts/schema/connection-rules.ts';

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const reserved = new Set(RESERVED_HEADERS);

/** What is wrong with these names, as a sentence, or undefined. */
export function headerNamesProblem(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const name of names) {
    const lower = name.toLowerCase();
    if (!token.test(name)) return `spec.controlPlaneHeaders: "${name}" is not a header name`;
    if (reserved.has(lower) || lower.startsWith('x-forwarded-')) {
      return `spec.controlPlaneHeaders: ${name} is set by the client itself; remove it`;
    }
    if (seen.has(lower))
      return `spec.controlPlaneHeaders: ${name} is given twice; names are compared ignoring case`;
    seen.add(lower);
  }
  return undefined;
}

/** Whether a header can carry the value: visible Latin-1 characters, blanks and tabs. */
export function isHeaderValue(value: string): boolean {
  return !/[^\t\x20-\x7e\x80-\xff]/.test(value);
}
