// How Node runs in a Pod. In a bench there is no container whose memory limit would tell Node how large a heap to have.

/** What Node 26 chooses by itself under a container's memory limit. */
const heaps = {
  '256Mi': ['--max-old-space-size=256', '--max-semi-space-size=2'],
  '512Mi': ['--max-old-space-size=256', '--max-semi-space-size=4'],
} as const;

/**
 * Arguments that make Node run as under this limit, and those in `RSTREAM_BENCH_NODE_ARGS`, like
 * `--cpu-prof --cpu-prof-dir=folder`, for finding out where time and memory go.
 */
export function nodeArgs(limit: keyof typeof heaps): readonly string[] {
  const more = (process.env.RSTREAM_BENCH_NODE_ARGS ?? '').split(' ').filter((arg) => arg !== '');
  return [...heaps[limit], ...more];
}
