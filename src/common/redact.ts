// Secrets in the words of others: whoever is sent one may say it back, in an error message, say, and we repeat messages.

/** Text without the secrets that it might hold. */
export type Redact = (text: string) => string;

/** A shorter secret is left alone: it would black out words that mean nothing of the kind. */
const shortestLength = 6;

/** Texts are cut to lengths of no less than this, and maybe in the middle of a secret. */
const shortestCut = 100;

/** Replaces each of these, and the beginning of one at the end of a text that may have been cut, by `(secret)`. */
export function redactor(secrets: readonly (string | undefined)[]): Redact {
  const known = secrets.flatMap((secret = '') => (secret.length < shortestLength ? [] : [secret]));
  if (known.length === 0) return (text) => text;
  // The longest first, since one may hold another.
  const ordered = known.toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(ordered.map((secret) => RegExp.escape(secret)).join('|'), 'g');
  return (text) => {
    const whole = text.replaceAll(pattern, '(secret)');
    return text.length < shortestCut ? whole : withoutBeginning(whole, ordered);
  };
}

function withoutBeginning(text: string, secrets: readonly string[]): string {
  for (const secret of secrets) {
    for (let length = secret.length - 1; length >= shortestLength; length -= 1) {
      if (text.endsWith(secret.slice(0, length))) return `${text.slice(0, -length)}(secret)`;
    }
  }
  return text;
}
