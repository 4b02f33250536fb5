// Runs one test job in a process group of its own, so that a job which hangs can be ended with all that it started.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { brokenGroup, goCounts, goOutput, mochaCounts, type TestCounts } from './test-counts.ts';
import type { MochaWork, TestJob } from './test-groups.ts';

export interface JobSettings {
  readonly root: string;
  /** Where the runners leave their counts. */
  readonly workFolder: string;
  /** Ends the job before its own deadline. */
  readonly signal: AbortSignal;
}

export interface JobResult {
  readonly counts: TestCounts;
  /** What the job printed, for people. */
  readonly output: string;
}

/** Never rejects: whatever goes wrong is a failure in the counts. */
export async function runJob(job: TestJob, settings: JobSettings): Promise<JobResult> {
  const { work } = job;
  if (work.runner === 'mocha' && work.files.length === 0) {
    return { counts: brokenGroup(`${job.name} has no tests`), output: '' };
  }
  const deadline = AbortSignal.timeout(job.deadlineMinutes * 60_000);
  const signal = AbortSignal.any([settings.signal, deadline]);
  const counts = join(settings.workFolder, `${job.name.replaceAll(/[^a-z0-9]+/g, '-')}.json`);
  rmSync(counts, { force: true });

  const command = work.runner === 'mocha' ? mochaCommand(work, counts) : goCommand;
  const { code, output } = await runCommand(
    command,
    join(settings.root, work.runner === 'go' ? work.module : ''),
    signal,
  );
  if (signal.aborted) {
    if (job.cleanUp) {
      await runCommand(['node', ...job.cleanUp], settings.root, AbortSignal.timeout(60_000));
    }
    const why = deadline.aborted
      ? `did not end within ${job.deadlineMinutes} minutes`
      : 'was ended before its tests';
    return { counts: withFailure(readCounts(job, counts, output, 1), `${job.name} ${why}`), output };
  }
  const shown = work.runner === 'go' ? goOutput(output) : output;
  return { counts: readCounts(job, counts, output, code), output: shown };
}

function mochaCommand(work: MochaWork, counts: string): readonly string[] {
  const reporter = ['--reporter', './scripts/mocha-counts.ts', '--reporter-option', `output=${counts}`];
  return ['mocha', ...reporter, '--timeout', String(work.timeoutMs), '--forbid-only', ...work.files];
}

const goCommand = ['go', 'test', '-count=1', '-json', './...'];

function readCounts(job: TestJob, file: string, output: string, code: number): TestCounts {
  if (job.work.runner === 'go') return goCounts(job.name, output, code);
  try {
    return mochaCounts(job.name, readFileSync(file, 'utf8'), code);
  } catch {
    return brokenGroup(`${job.name} ended with code ${code} before its tests did`);
  }
}

function withFailure(counts: TestCounts, failure: string): TestCounts {
  return { ...counts, failed: counts.failed + 1, failures: [...counts.failures, failure] };
}

/** Runs to the end, or kills the whole process group when the signal says so. Both outputs come back as one text. */
export async function runCommand(
  command: readonly string[],
  cwd: string,
  signal: AbortSignal,
  hear?: (text: string) => void,
): Promise<{ readonly code: number; readonly output: string }> {
  if (signal.aborted) return { code: 1, output: '' };
  const [program = '', ...args] = command;
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      hear?.(text);
    });
  }
  const kill = () => killGroup(child);
  signal.addEventListener('abort', kill);
  const code = await exitCode(child).catch((error: unknown) => {
    output += error instanceof Error ? error.message : String(error);
    return 1;
  });
  signal.removeEventListener('abort', kill);
  return { code, output };
}

/** How long what is told to end may take, and how long a stray process may hold the outputs. */
const patienceMs = 2000;

/** The exit code; a stray process that still holds the outputs does not keep the job waiting. */
async function exitCode(child: ChildProcess): Promise<number> {
  const [code] = await once(child, 'exit');
  const patience = setTimeout(() => killGroup(child), patienceMs);
  if (child.stdout?.closed === false || child.stderr?.closed === false) await once(child, 'close');
  clearTimeout(patience);
  return typeof code === 'number' ? code : 1;
}

/** Asked first, so that what was begun is put away; then killed. A group outlives its leader, and may be gone. */
function killGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM');
  setTimeout(() => {
    signalGroup(child, 'SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, patienceMs);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // nothing is left of it
  }
}
