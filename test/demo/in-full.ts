// An error for people: what went wrong, and below it why, as deep as the causes go.

import { messageOf } from '../../src/common/errors.ts';

export function inFull(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}\nbecause: ${inFull(cause)}`;
}
