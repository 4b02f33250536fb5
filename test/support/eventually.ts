// Waiting for a condition with a deadline: the only way a test may wait for the real world.

export interface EventuallyOptions {
  /** Default 30 000 ms: costs nothing when things work, and machines can be slow. */
  readonly timeoutMs?: number;
  /** Default 20 ms between tries. */
  readonly everyMs?: number;
}

/**
 * Calls `attempt` until it neither throws nor returns false or undefined, and returns what it returned.
 * Fails with the last error (or `what`) at the deadline.
 */
export async function eventually<T>(
  what: string,
  attempt: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + (options.timeoutMs ?? 30_000);
  let last: unknown;

  for (;;) {
    try {
      const value = await attempt();
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
}
