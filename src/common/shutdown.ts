// SIGTERM and SIGINT as an AbortSignal, for the process entry points only.

/** Aborts on the first SIGTERM or SIGINT; a second signal ends the process at once with 128 + its number. */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  const numbers = { SIGTERM: 15, SIGINT: 2 } as const;

  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + numbers[name]);
      controller.abort(new Error(`received ${name}`));
    });
  }
  return controller.signal;
}
