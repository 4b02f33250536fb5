// `make test`: runs every test job, several at once, builds what they need meanwhile, and ends with one line of counts.
// Exits with 0 only when every group ran at least one test and none failed or was skipped.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { brokenGroup, closingLine, sumCounts, type TestCounts } from './test-counts.ts';
import { type TestJob, testJobs } from './test-groups.ts';
import { runCommand, runJob } from './test-job.ts';
import { runJobs } from './test-lanes.ts';

const root = dirname(import.meta.dirname);
const workFolder = join(root, '.build', 'test');
const started = performance.now();
/** So that a run in CI always says how it went, whatever hangs. */
const deadlineMinutes = { normal: 50, full: 240 };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: 'boolean', default: false } },
  });
  if (values.full) process.env.RSTREAM_TEST_FULL = '1';
  mkdirSync(workFolder, { recursive: true });
  rmSync(join(workFolder, 'closing-line'), { force: true });

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const minutes = deadlineMinutes[values.full ? 'full' : 'normal'];
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(minutes * 60_000)]);

  const jobs = chosenJobs(positionals, values.full);
  const results = await runAll(jobs, signal);
  const total = sumCounts([...results.values()]);
  console.log('');
  for (const failure of total.failures) console.log(`failed: ${failure}`);
  const line = closingLine(total);
  writeFileSync(join(workFolder, 'closing-line'), `${line}\n`);
  console.log(`${jobs.length} jobs in ${seconds(started)}\n\n${line}`);
  return total.failed === 0 ? 0 : 1;
}

function chosenJobs(names: readonly string[], full: boolean): readonly TestJob[] {
  const all = testJobs(root, { full });
  const groups = new Set(all.map((job) => job.group));
  const unknown = names.filter((name) => !groups.has(name));
  if (unknown.length > 0)
    throw new Error(`no test group ${unknown.join(', ')}; there are ${[...groups].join(', ')}`);
  return names.length === 0 ? all : all.filter((job) => names.includes(job.group));
}

async function runAll(
  jobs: readonly TestJob[],
  signal: AbortSignal,
): Promise<ReadonlyMap<TestJob, TestCounts>> {
  let built: boolean | undefined;
  const building = jobs.some((job) => job.needsBinaries)
    ? buildBinaries(signal).then((done) => {
        built = done;
      })
    : Promise.resolve();
  const results = new Map<TestJob, TestCounts>();
  const running = new Map<TestJob, number>();
  const pulse = setInterval(() => sayRunning(running, built === undefined), 60_000);

  const share = {
    gate: building,
    needsGate: (job: TestJob) => job.needsBinaries,
    run: async (job: TestJob) => {
      const begun = performance.now();
      running.set(job, begun);
      const { counts, output } =
        job.needsBinaries && built !== true
          ? {
              counts: brokenGroup(`${job.name}: the Kubernetes programs could not be built, see above`),
              output: '',
            }
          : await runJob(job, { root, workFolder, signal });
      running.delete(job);
      results.set(job, counts);
      console.log(`\n=== ${job.name}\n${output.trimEnd()}`);
      console.log(`--- ${job.name}: ${closingLine(counts)} in ${seconds(begun)}`);
    },
  };
  const lanes = Math.min(4, Math.max(2, availableParallelism()));
  await runJobs({ ...share, jobs: jobs.filter((job) => !job.alone), lanes });
  await runJobs({ ...share, jobs: jobs.filter((job) => job.alone), lanes: 1 });
  clearInterval(pulse);
  await building;
  return results;
}

/** Builds etcd, the API server and the rest while tests that need none of them run. False when it failed. */
async function buildBinaries(signal: AbortSignal): Promise<boolean> {
  const begun = performance.now();
  const { code } = await runCommand(['node', 'test/cluster/main.ts', 'build'], root, signal, (text) => {
    process.stdout.write(text.replaceAll(/^(?=.)/gm, '[build] '));
  });
  console.log(
    `[build] the Kubernetes programs ${code === 0 ? 'are there' : 'are missing'} after ${seconds(begun)}`,
  );
  return code === 0;
}

function sayRunning(running: ReadonlyMap<TestJob, number>, building: boolean): void {
  const jobs = [...running].map(([job, begun]) => `${job.name} (${seconds(begun)})`);
  const all = [...jobs, ...(building ? ['building the Kubernetes programs'] : [])];
  console.log(`${seconds(started)}: running ${all.join(', ')}`);
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

process.exitCode = await main();
