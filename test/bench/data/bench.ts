// `make bench`, part data: the bundled agent beside a reference relay in Go and the official Python SDK's forwarder, by CPU time
// per byte, by latency, by memory and by how fast it starts. Parts for --only: bulk, latency, memory, start.
// CPU time is compared as a ratio within one run; the reference is what its own name says in test/bench/data/go/relay.

import { bundles, writeBundle } from '../../../scripts/bundle.ts';
import type { BenchContext } from '../main.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { buildGoPrograms } from './driver.ts';
import {
  type Bulk,
  type Latency,
  measureBulk,
  measureLatency,
  measureMemory,
  type PerRelay,
} from './measures.ts';
import { type Programs, type Relay, type RelayName, startRelay } from './relays.ts';

const all: readonly RelayName[] = ['reference', 'agent', 'python'];
const streamCounts = [1, 4, 64];
const idleStreams = 1_000;
const starts = 11;

/** The Python SDK's forwarder is an order of magnitude slower and gets as much less to do. */
const bytesPerRound = (relay: RelayName) => (relay === 'python' ? 40_000_000 : 500_000_000);
const streamsPerRound = (relay: RelayName) => (relay === 'python' ? 50 : 300);

/**
 * V8 goes on compiling for some ten thousand streams. An agent lives for weeks, so that its latency is judged after them; what
 * the first ones take is measured too.
 */
const settledAfter = (relay: RelayName) => (relay === 'python' ? 50 : 12_000);

export async function runData({ only, say }: BenchContext): Promise<BenchReport> {
  const wanted = (part: string) => only.length === 0 || only.includes(part);
  const programs = await buildPrograms();
  const rows: BenchRow[] = [];
  if (wanted('start')) rows.push(...(await startRows(programs, say)));
  if (wanted('memory')) rows.push(...(await memoryRows(programs, say)));
  if (wanted('bulk') || wanted('latency')) {
    const relays: Relay[] = [];
    try {
      for (const name of all) relays.push(await startRelay(name, programs));
      if (wanted('bulk')) rows.push(...(await bulkRows(relays, say)));
      if (wanted('latency')) rows.push(...(await latencyRows(relays, say)));
    } finally {
      for (const relay of relays) await relay.stop();
    }
  }
  return { bench: 'data', rows };
}

async function buildPrograms(): Promise<Programs> {
  const agent = bundles.find(({ name }) => name === 'rstream-agent');
  if (!agent) throw new Error('there is no bundle of the agent');
  const [go, { file }] = await Promise.all([buildGoPrograms(), writeBundle(agent)]);
  return { ...go, agent: file };
}

async function bulkRows(relays: readonly Relay[], say: BenchContext['say']): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const fromService of [true, false]) {
    for (const streams of streamCounts) {
      const plan = { streams, fromService, rounds: 4, bytesPerRound };
      const result = await measureBulk(relays, plan);
      const direction = fromService ? 'from the Service' : 'to the Service';
      const what = `${direction}, ${streams} stream${streams === 1 ? '' : 's'}`;
      say(`${what}: ${JSON.stringify(Object.fromEntries(result))}`);
      rows.push({
        what: `${what}: bytes per CPU second, agent ÷ reference`,
        value: get(result, 'reference').cpuPerGB / get(result, 'agent').cpuPerGB,
        kind: 'measure',
        budget: { atLeast: fromService ? 1 : 0.9 },
        note: all.map((name) => `${name} ${bulkText(get(result, name))}`).join('; '),
      });
    }
  }
  return rows;
}

function bulkText({ cpuPerGB, gbPerSecond, peakMiB }: Bulk): string {
  return `${cpuPerGB.toFixed(2)} CPU s/GB at ${gbPerSecond.toFixed(2)} GB/s, peak ${peakMiB.toFixed(0)} MiB`;
}

async function latencyRows(relays: readonly Relay[], say: BenchContext['say']): Promise<readonly BenchRow[]> {
  const plan = { rounds: 8, warmUp: streamsPerRound, perRound: streamsPerRound };
  const early = await measureLatency(relays, { ...plan, atOnce: 1 });
  say(`latency of new processes, 1 at once: ${JSON.stringify(Object.fromEntries(early))}`);
  const rows: BenchRow[] = [];
  for (const atOnce of [1, 16]) {
    const warmUp = atOnce === 1 ? settledAfter : streamsPerRound;
    const result = await measureLatency(relays, { ...plan, warmUp, atOnce });
    say(`latency, ${atOnce} at once: ${JSON.stringify(Object.fromEntries(result))}`);
    rows.push(...latencyPair(`${atOnce} at once`, result, { atMost: 1 }));
  }
  return [...rows, ...latencyPair('1 at once, the first streams of a process', early)];
}

function latencyPair(
  what: string,
  result: PerRelay<Latency>,
  budget?: BenchRow['budget'],
): readonly BenchRow[] {
  return (['p50', 'p99'] as const).map((key) => ({
    what: `request for a stream to its first byte, ${what}, ${key}: agent ÷ reference`,
    value: get(result, 'agent')[key] / get(result, 'reference')[key],
    kind: 'measure',
    ...(budget && { budget }),
    note: all.map((name) => `${name} ${latencyText(get(result, name), key)}`).join('; '),
  }));
}

function latencyText(latency: Latency, key: 'p50' | 'p99'): string {
  return `${latency[key].toFixed(2)} ms, ${latency.cpuMs.toFixed(2)} CPU ms each`;
}

async function memoryRows(programs: Programs, say: BenchContext['say']): Promise<readonly BenchRow[]> {
  const results = new Map<RelayName, Awaited<ReturnType<typeof measureMemory>>>();
  for (const name of ['agent', 'reference'] as const) {
    const relay = await startRelay(name, programs);
    results.set(name, await measureMemory(relay, idleStreams));
    await relay.stop();
  }
  say(`memory: ${JSON.stringify(Object.fromEntries(results))}`);
  const agent = get(results, 'agent');
  const reference = get(results, 'reference');
  const row = (what: string, key: keyof typeof agent, atMost: number): BenchRow => ({
    what: `resident memory, ${what}`,
    value: agent[key],
    unit: 'MiB',
    kind: 'measure',
    budget: { atMost },
    note: `reference ${reference[key].toFixed(0)} MiB`,
  });
  return [
    row('tunnel online, nothing to do', 'idle', 72),
    row(`${idleStreams} idle streams`, 'idleStreams', 256),
    row(`${idleStreams} stalled streams from the Service`, 'stalledFrom', 256),
    row(`${idleStreams} stalled streams to the Service`, 'stalledTo', 256),
  ];
}

async function startRows(programs: Programs, say: BenchContext['say']): Promise<readonly BenchRow[]> {
  const times: number[] = [];
  for (let start = 0; start < starts; start += 1) {
    const relay = await startRelay('agent', programs);
    times.push(relay.startMs);
    await relay.stop();
  }
  const sorted = times.toSorted((a, b) => a - b);
  say(`starts: ${sorted.map((ms) => ms.toFixed(0)).join(' ')} ms`);
  const [fastest = Number.NaN] = sorted;
  return [
    {
      what: 'process start until the tunnel is online, median',
      value: sorted[Math.floor(starts / 2)] ?? Number.NaN,
      unit: 'ms',
      kind: 'measure',
      budget: { atMost: 300 },
      note: `fastest ${fastest.toFixed(0)} ms; writing TunnelReady is one more request to the API server`,
    },
  ];
}

function get<T>(results: PerRelay<T>, name: RelayName): T {
  const result = results.get(name);
  if (result === undefined) throw new Error(`${name} was not measured`);
  return result;
}
