// Tokens are opaque, but one that looks like a JWT and says it has expired need not be sent to be refused.

import { RstreamError } from './errors.ts';

/** Throws ERR_RSTREAM_TOKEN_EXPIRED when the token is a JWT whose `exp` has passed; anything undecodable passes. */
export function checkTokenFresh(token: string, now: Date): void {
  const expiry = tokenExpiry(token);
  if (expiry === undefined || expiry > Math.floor(now.getTime() / 1000)) return;
  throw new RstreamError(
    'ERR_RSTREAM_TOKEN_EXPIRED',
    `the token expired at ${dateText(expiry)}; issue a new one`,
  );
}

/** The integer `exp` claim, in seconds since 1970; undefined when there is none to be read. */
export function tokenExpiry(token: string): number | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null || !('exp' in claims)) return undefined;
    return Number.isSafeInteger(claims.exp) ? Number(claims.exp) : undefined;
  } catch {
    return undefined;
  }
}

function dateText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'an unreadable time' : date.toISOString();
}
