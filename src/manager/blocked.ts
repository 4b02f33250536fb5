// An expected outcome that keeps a resource from working: the reason of its condition, and a sentence that says what to do.

export interface Blocked<R extends string> {
  readonly blocked: {
    readonly reason: R;
    readonly message: string;
    /** A refusal by policy, known for certain: what runs already must stop. */
    readonly denied?: boolean;
  };
}

export function blocked<R extends string>(reason: R, message: string, denied = false): Blocked<R> {
  return { blocked: { reason, message, denied } };
}
