// The root of every error this project throws on purpose: a stable code, a message that says what to do, and the cause.
// Each room lists its own codes in an errors.ts of its own.

/** An expected failure with a stable, machine-readable code. Messages never contain secrets. */
export class CodedError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The text of anything that was thrown, without its stack. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return messageOf(thrown.errors[0]);
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of anything that was thrown, when it has one (Node system errors, CodedError). */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
