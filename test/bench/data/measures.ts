// What is measured on relays side by side. All of them run at the same time, each with a driver of its own, and take turns in
// short rounds, so that whatever else the machine does meets them alike.

import { cpuSeconds, memoryMiB } from '../process-usage.ts';
import type { Relay, RelayName } from './relays.ts';

export type PerRelay<T> = ReadonlyMap<RelayName, T>;

export interface Bulk {
  /** CPU time of the relay's process per 10⁹ bytes. */
  readonly cpuPerGB: number;
  readonly gbPerSecond: number;
  /** CPU time of the driver for the same, to see that it is not what limits. */
  readonly driverCpuPerGB: number;
  /** Highest resident memory of the relay's process so far, in MiB. */
  readonly peakMiB: number;
}

export interface BulkPlan {
  readonly streams: number;
  readonly fromService: boolean;
  readonly rounds: number;
  readonly bytesPerRound: (relay: RelayName) => number;
}

/** Moves bytes over so many streams at once. */
export async function measureBulk(relays: readonly Relay[], plan: BulkPlan): Promise<PerRelay<Bulk>> {
  const { streams, fromService, rounds } = plan;
  const sums = new Map(relays.map(({ name }) => [name, { cpu: 0, seconds: 0, driver: 0, bytes: 0 }]));
  for (const { driver } of relays) await driver.command({ do: 'open', streams });
  for (let round = -1; round < rounds; round += 1) {
    for (const { name, driver, pid } of inTurn(relays, round)) {
      const bytes = plan.bytesPerRound(name);
      const before = cpuSeconds(pid);
      const answer = await driver.command({ do: 'transfer', fromService, bytes });
      const sum = sums.get(name);
      // The first round only warms up.
      if (round < 0 || !sum) continue;
      sum.cpu += cpuSeconds(pid) - before;
      sum.seconds += answer.seconds;
      sum.driver += answer.cpuSeconds;
      sum.bytes += answer.bytes;
    }
  }
  for (const { driver } of relays) await driver.command({ do: 'close' });

  return perRelay(relays, ({ name, pid }) => {
    const { cpu, seconds, driver, bytes } = sums.get(name) ?? { cpu: 0, seconds: 0, driver: 0, bytes: 0 };
    const gb = bytes / 1e9;
    const peakMiB = memoryMiB(pid).peak;
    return { cpuPerGB: cpu / gb, gbPerSecond: gb / seconds, driverCpuPerGB: driver / gb, peakMiB };
  });
}

export interface Latency {
  /** Milliseconds from the request for a stream to the Service's first byte. */
  readonly p50: number;
  readonly p99: number;
  /** CPU time of the relay's process per stream, opened and closed, in milliseconds. */
  readonly cpuMs: number;
}

export interface LatencyPlan {
  readonly atOnce: number;
  readonly rounds: number;
  /** Streams opened before anything is measured. */
  readonly warmUp: (relay: RelayName) => number;
  readonly perRound: (relay: RelayName) => number;
}

/** Opens streams one after the other, or so many at once, and closes them. */
export async function measureLatency(
  relays: readonly Relay[],
  plan: LatencyPlan,
): Promise<PerRelay<Latency>> {
  const times = new Map<RelayName, number[]>(relays.map(({ name }) => [name, []]));
  const cpu = new Map<RelayName, number>();
  for (let round = -1; round < plan.rounds; round += 1) {
    for (const { name, driver, pid } of inTurn(relays, round)) {
      const before = cpuSeconds(pid);
      const streams = round < 0 ? plan.warmUp(name) : plan.perRound(name);
      const answer = await driver.command({ do: 'latency', streams, atOnce: plan.atOnce });
      if (round < 0) continue;
      times.get(name)?.push(...(answer.times ?? []));
      cpu.set(name, (cpu.get(name) ?? 0) + cpuSeconds(pid) - before);
    }
  }
  return perRelay(relays, ({ name }) => {
    const sorted = (times.get(name) ?? []).toSorted((a, b) => a - b);
    const cpuMs = ((cpu.get(name) ?? 0) * 1000) / sorted.length;
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), cpuMs };
  });
}

export interface Memory {
  /** MiB with the tunnel online and nothing to do. */
  readonly idle: number;
  /** MiB with so many idle streams. */
  readonly idleStreams: number;
  /** Highest MiB while as many streams stall, first from the Service, then to it. */
  readonly stalledFrom: number;
  readonly stalledTo: number;
}

/** Bytes offered to each stalled stream: far more than all buffers of the system between the two ends hold. */
const stalledBytes = 2 * 1024 * 1024;

/** The relay must be new. Every stalled stream is read to its end afterwards, so that nothing can have been dropped. */
export async function measureMemory({ driver, pid }: Relay, streams: number): Promise<Memory> {
  const idle = memoryMiB(pid).now;
  await driver.command({ do: 'open', streams });
  const idleStreams = memoryMiB(pid).now;
  const bytes = stalledBytes * streams;
  await driver.command({ do: 'stall', fromService: true, bytes });
  const stalledFrom = memoryMiB(pid).peak;
  await driver.command({ do: 'drain', bytes });
  await driver.command({ do: 'stall', fromService: false, bytes });
  const stalledTo = memoryMiB(pid).peak;
  await driver.command({ do: 'close' });
  return { idle, idleStreams, stalledFrom, stalledTo };
}

/** Everybody gets to be first. */
function inTurn(relays: readonly Relay[], round: number): readonly Relay[] {
  const first = Math.max(0, round) % relays.length;
  return [...relays.slice(first), ...relays.slice(0, first)];
}

function perRelay<T>(relays: readonly Relay[], value: (relay: Relay) => T): PerRelay<T> {
  return new Map(relays.map((relay) => [relay.name, value(relay)]));
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
