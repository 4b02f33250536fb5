// The mocha reporter of `make test`: what the spec reporter shows, and the counts as JSON for scripts/run-tests.ts.

import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What one mocha run leaves in the file named by its reporter option `output`. */
export interface MochaCounts {
  readonly passed: number;
  readonly failed: number;
  readonly pending: number;
  readonly failures: readonly string[];
}

/** How long a finished run may take to leave, before it is said what keeps it and counted as a failure. */
const patienceMs = Number(process.env.RSTREAM_TEST_PATIENCE_MS ?? 30_000);

class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const output: unknown = options.reporterOptions?.output;
    if (typeof output !== 'string') throw new TypeError('this reporter needs --reporter-option output=FILE');

    const failures: string[] = [];
    const pending: string[] = [];
    let passed = 0;
    runner.on('pass', () => {
      passed += 1;
    });
    runner.on('fail', (test) => failures.push(test.fullTitle()));
    runner.on('pending', (test) => pending.push(`${test.fullTitle()} (skipped)`));
    runner.once('end', () => {
      const counts: MochaCounts = {
        passed,
        failed: failures.length,
        pending: pending.length,
        failures: [...failures, ...pending],
      };
      writeFileSync(output, JSON.stringify(counts));
      setTimeout(leave, patienceMs).unref();
    });
  }
}

function leave(): void {
  console.log(`the tests have ended, and these still keep the process: ${process.getActiveResourcesInfo()}`);
  // mocha sets the exit code once more while the process leaves.
  process.on('exit', () => process.exit(70));
  process.exit(70);
}

// mocha loads reporters with require and takes the module itself as the constructor.
export { CountingReporter as 'module.exports' };
