// Secrets in the words of others: whoever is sent one may say it back, in an error message, say, and we repeat messages.

/** Text without the secrets that it might hold. */
export type Redact = (text: string) => string;

/** A shorter secret is left alone: it would black out words that mean nothing of the kind. */
const shortestLength = 6;

/** Replaces each of these by `(secret)`. */
export function redactor(secrets: readonly (string | undefined)[]): Redact {
  const known = secrets.flatMap((secret = '') => (secret.length < shortestLength ? [] : [secret]));
  if (known.length === 0) return (text) => text;
  // The longest first, since one may hold another.
  const ordered = known.toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(ordered.map((secret) => RegExp.escape(secret)).join('|'), 'g');
  return (text) => text.replaceAll(pattern, '(secret)');
}
