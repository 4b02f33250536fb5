// `make bench`: runs the benches named on the command line, or all of them, one after the other. Prints a table for each,
// writes it and JSON to test/bench/results, and fails when a count breaks its budget.
//
//   node test/bench/main.ts [BENCH…] [--only PART]…

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchReport, brokenCounts, tableOf, writeReport } from './report.ts';

export interface BenchContext {
  /** Parts to run; empty: all. Each bench documents its own. */
  readonly only: readonly string[];
  /** Progress, one line at a time. */
  readonly say: (line: string) => void;
}

export type Bench = (context: BenchContext) => Promise<BenchReport>;

/** Loaded when run, so that one bench's imports cost another nothing. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  control: async () => (await import('./control/bench.ts')).runControl,
  data: async () => (await import('./data/bench.ts')).runData,
};

const results = join(import.meta.dirname, 'results');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string', multiple: true, default: [] } },
  });
  const unknown = positionals.filter((name) => !Object.hasOwn(benches, name));
  if (unknown.length > 0) {
    console.error(`no bench ${unknown.join(', ')}; there are: ${Object.keys(benches).join(', ')}`);
    return 2;
  }

  const command = ['node test/bench/main.ts', ...process.argv.slice(2)].join(' ');
  const broken: string[] = [];
  for (const [name, load] of Object.entries(benches)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const started = performance.now();
    const say = (line: string) =>
      console.error(`[${name} ${((performance.now() - started) / 1000).toFixed(1)} s] ${line}`);
    const bench = await load();
    const report = await bench({ only: values.only, say });
    console.log(`\n${tableOf(report)}\n`);
    console.log(`written to ${writeReport(report, results, command)}.{json,md}`);
    broken.push(...brokenCounts(report).map(({ what }) => `${name}: ${what}`));
  }
  for (const what of broken) console.error(`over budget: ${what}`);
  return broken.length === 0 ? 0 : 1;
}

process.exitCode = await main();
