// A child process that tests start and stop: its output goes to a file, and it dies with the test process whatever happens.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface DaemonOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Gets stdout and stderr, appended. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #process: ChildProcess;
  readonly exited: Promise<void>;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const log = openSync(options.logFile, 'a');
    // setpriv makes the kernel kill the child when this process goes, even by SIGKILL: see prctl(2), PR_SET_PDEATHSIG.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', options.command, ...options.args], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...options.env },
    });
    closeSync(log);
    this.exited = once(this.#process, 'exit').then(() => undefined);
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`${this.#options.command} did not start`);
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it has used so far, in user and system mode. Linux counts in hundredths. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Null while it runs, and after a signal ended it. */
  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** The last lines of its output. */
  tail(lines = 20): string {
    return readFileSync(this.#options.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Sends `name` and waits until the process is gone. */
  async stop(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    this.#process.kill(name);
    await this.exited;
  }
}
