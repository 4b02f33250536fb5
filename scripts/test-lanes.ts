// Jobs side by side: a few lanes, each takes the first job that may start. Some jobs wait until a gate has opened.

export interface LaneOptions<Job> {
  readonly jobs: readonly Job[];
  /** How many run at once. */
  readonly lanes: number;
  readonly gate: Promise<void>;
  readonly needsGate: (job: Job) => boolean;
  readonly run: (job: Job) => Promise<void>;
}

export async function runJobs<Job>(options: LaneOptions<Job>): Promise<void> {
  const waiting = [...options.jobs];
  let open = false;
  const gate = options.gate.then(() => {
    open = true;
  });

  const lane = async (): Promise<void> => {
    for (;;) {
      const index = waiting.findIndex((job) => open || !options.needsGate(job));
      if (index >= 0) {
        const [job] = waiting.splice(index, 1);
        if (job !== undefined) await options.run(job);
      } else if (waiting.length > 0) {
        await gate;
      } else {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
}
