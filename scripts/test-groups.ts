// Which tests there are, cut into jobs that run side by side, and what each job needs before it can start.

import { globSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface MochaWork {
  readonly runner: 'mocha';
  readonly files: readonly string[];
  /** Default deadline of one test, in milliseconds. */
  readonly timeoutMs: number;
}

export interface GoWork {
  readonly runner: 'go';
  /** Folder of a module with tests. */
  readonly module: string;
}

/** One process of a runner. */
export interface TestJob {
  readonly name: string;
  /** What `make NAME` runs: all jobs of the group. */
  readonly group: string;
  readonly work: MochaWork | GoWork;
  /** True when the tests start Kubernetes programs, or compile what those are compiled from: the build comes first. */
  readonly needsBinaries: boolean;
  /** True when the tests measure time: the job runs when all others have ended, beside nothing. */
  readonly alone?: boolean;
  /** The job is ended, and fails, after this many minutes. */
  readonly deadlineMinutes: number;
  /** Arguments of node that remove what the job leaves behind when it is killed. */
  readonly cleanUp?: readonly string[];
}

/** Folders below test/ that are not unit tests: other groups, and what tests are made of. */
const notUnit = new Set([
  'bench',
  'cel',
  'cluster',
  'conformance',
  'constructs',
  'e2e',
  'integration',
  'support',
]);

/** How much more time the long proofs take at their full counts. */
const fullFactor = 6;

export interface TestJobsOptions {
  /** The long proofs run at their full counts. */
  readonly full?: boolean;
}

/** Every job of the tree at `root`, longest first. A group without files is still listed, so that running nothing fails. */
export function testJobs(root: string, { full = false }: TestJobsOptions = {}): readonly TestJob[] {
  const jobs = usualJobs(root);
  return full ? jobs.map((job) => ({ ...job, deadlineMinutes: job.deadlineMinutes * fullFactor })) : jobs;
}

function usualJobs(root: string): readonly TestJob[] {
  const files = (pattern: string): readonly string[] => globSync(pattern, { cwd: root }).sort();
  const mocha = (group: string, timeoutMs: number, files: readonly string[], part = ''): TestJob => ({
    name: part === '' ? group : `${group} ${part}`,
    group,
    work: { runner: 'mocha', files, timeoutMs },
    needsBinaries: false,
    deadlineMinutes: 10,
  });

  const unitFolders = readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !notUnit.has(entry.name))
    .map((entry) => entry.name);
  const unit = [
    ...unitFolders.map((folder) => mocha('unit', 60_000, files(`test/${folder}/**/*.test.ts`), folder)),
    mocha('unit', 60_000, files('test/*.test.ts'), 'tree'),
  ].filter((job) => job.work.runner === 'mocha' && job.work.files.length > 0);

  const integration = integrationParts(files('test/integration/**/*.test.ts')).map(([part, files]) => ({
    ...mocha('integration', 120_000, files, part),
    needsBinaries: true,
    deadlineMinutes: 20,
    alone: part === 'measured',
  }));
  const go = files('test/**/go.mod')
    .map(dirname)
    .filter((module) => files(`${module}/**/*_test.go`).length > 0)
    .map((module): TestJob => {
      const work = { runner: 'go', module } as const;
      return { name: `go ${module}`, group: 'go', work, needsBinaries: true, deadlineMinutes: 15 };
    });

  return [
    {
      ...mocha('e2e', 300_000, [...files('test/cluster/**/*.test.ts'), ...files('test/e2e/**/*.test.ts')]),
      needsBinaries: true,
      deadlineMinutes: 15,
      cleanUp: ['test/cluster/main.ts', 'down', '--name', 'e2e'],
    },
    ...integration,
    ...go,
    { ...mocha('constructs', 300_000, files('test/constructs/**/*.test.ts')), needsBinaries: true },
    mocha('conformance', 160_000, files('test/conformance/**/*.test.ts')),
    ...unit,
  ];
}

/** By what they are about; each part has API servers of its own. */
function integrationParts(files: readonly string[]): ReadonlyArray<readonly [string, readonly string[]]> {
  const about = (prefix: string) => files.filter((file) => basename(file).startsWith(prefix));
  const measured = about('agent-handover-gap');
  const [managers, agents] = [about('manager-'), about('agent-').filter((file) => !measured.includes(file))];
  const rest = files.filter((file) => ![...managers, ...agents, ...measured].includes(file));
  // Every other one, so that neighbours by name, which tend to take equally long, are spread.
  const half = (parity: number) => managers.filter((_, index) => index % 2 === parity);
  return [
    ['agents', agents],
    ['managers 1', half(0)],
    ['managers 2', half(1)],
    ['rest', rest],
    ['measured', measured],
  ];
}
