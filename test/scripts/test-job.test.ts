// How test jobs end: whatever goes wrong in one is a failure in the counts, and nothing that it started stays.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { TestJob } from '../../scripts/test-groups.ts';
import { type JobResult, runJob } from '../../scripts/test-job.ts';
import { eventually } from '../support/eventually.ts';

const root = dirname(dirname(import.meta.dirname));
const never = new AbortController().signal;

describe('a test job', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rstream-job-test-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs one mocha file with this content. */
  function run(content: string, changes: Partial<TestJob> = {}, signal = never): Promise<JobResult> {
    const file = join(folder, 'sample.cjs');
    writeFileSync(file, content);
    const work = { runner: 'mocha', files: [file], timeoutMs: 30_000 } as const;
    const job = { name: 'sample', group: 'sample', work, needsBinaries: false, deadlineMinutes: 1 };
    return runJob({ ...job, ...changes }, { root, workFolder: folder, signal });
  }

  it('counts what passed and names what failed, skipped tests among it', async () => {
    const { counts, output } = await run(
      `it('works', () => {}); it('breaks', () => { throw new Error('because') }); it.skip('waits', () => {});`,
    );

    expect(counts).to.deep.equal({ passed: 1, failed: 2, failures: ['breaks', 'waits (skipped)'] });
    expect(output).to.include('because');
  });

  it('fails without files, without tests and when the process leaves early', async () => {
    const work = { runner: 'mocha', files: [], timeoutMs: 1 } as const;
    expect((await run('', { work })).counts.failures).to.deep.equal(['sample has no tests']);
    expect((await run('')).counts.failures).to.deep.equal(['group sample ran no test']);
    expect((await run(`it('leaves', () => process.exit(3))`)).counts.failures).to.deep.equal([
      'sample ended with code 3 before its tests did',
    ]);
    expect((await run('this is no JavaScript')).counts.failed).to.equal(1);
  });

  it('fails when a test is marked to run alone', async () => {
    expect((await run(`it.only('alone', () => {})`)).counts.failed).to.equal(1);
  });

  it('fails when its tests succeed and the process does not', async () => {
    const { counts } = await run(`it('works', () => {}); process.on('exit', () => process.exit(9));`);

    expect(counts.passed).to.equal(1);
    expect(counts.failures).to.deep.equal(['group sample ended with code 9 after its tests']);
  });

  it('fails when something keeps the process after its tests, and says what', async () => {
    process.env.RSTREAM_TEST_PATIENCE_MS = '200';
    try {
      const { counts, output } = await run(`it('works', () => { setTimeout(() => {}, 600_000); });`);

      expect(counts).to.deep.include({ passed: 1, failed: 1 });
      expect(output).to.match(/these still keep the process: .*Timeout/);
    } finally {
      delete process.env.RSTREAM_TEST_PATIENCE_MS;
    }
  });

  it('fails at its deadline', async () => {
    const { counts } = await run(`it('hangs', (done) => {}).timeout(0);`, { deadlineMinutes: 0.001 });

    expect(counts.passed).to.equal(0);
    expect(counts.failures).to.include('sample did not end within 0.001 minutes');
  });

  it('takes all that it started with it when it is ended, and cleans up', async () => {
    const [pidFile, cleaned] = [join(folder, 'pid'), join(folder, 'cleaned')];
    const content = `
      const { spawn } = require('node:child_process');
      it('hangs', (done) => {
        const child = spawn('sleep', ['600'], { stdio: 'inherit' });
        require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      }).timeout(0);`;
    const cleanUp = ['-e', `require('node:fs').writeFileSync(${JSON.stringify(cleaned)}, '')`];
    const stop = new AbortController();
    const result = run(content, { cleanUp }, stop.signal);
    const pid = await eventually(
      'the child runs',
      () => existsSync(pidFile) && readFileSync(pidFile, 'utf8'),
    );
    stop.abort();

    expect((await result).counts.failures).to.include('sample was ended before its tests');
    expect(existsSync(cleaned)).to.equal(true);
    await eventually('the child is gone', () => !isRunning(pid));
  });

  it('does not wait for a process that holds its output', async () => {
    const content = `
      const { spawn } = require('node:child_process');
      it('leaves a child', () => { spawn('sleep', ['600'], { stdio: 'inherit', detached: false }).unref(); });`;

    expect((await run(content)).counts).to.deep.include({ passed: 1, failed: 0 });
  });
});

/** A killed process stays in the table until its parent, or the machine's first process, has asked for its code. */
function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
