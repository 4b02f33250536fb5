// Small parts of a measurement: memory that has settled, percentiles, work done so many at a time.

import { sleep, systemClock } from '../../../src/common/clock.ts';
import { memoryMiB } from '../process-usage.ts';

/** Resident memory once it has not moved by more than a MiB for three seconds; a quarter of a minute at most. */
export async function settledMemoryMiB(pid: number): Promise<number> {
  const samples: number[] = [];
  for (let count = 0; count < 30; count += 1) {
    samples.push(memoryMiB(pid).now);
    const last = samples.slice(-7);
    if (last.length === 7 && Math.max(...last) - Math.min(...last) <= 1) break;
    await sleep(systemClock, 500);
  }
  return samples.at(-1) ?? Number.NaN;
}

/** The p-th percentile (0–100) of what was measured; NaN of nothing. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * p) / 100) - 1)] ?? Number.NaN;
}

/** Calls `work` for every item, so many at a time. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
