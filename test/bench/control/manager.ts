// The manager as a process of its own, from the same bundle and with the same flags as in the image, and what its metrics
// and the kernel say about it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon } from '../../support/daemon.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { nodeArgs } from '../node-args.ts';

export interface ManagerStart {
  readonly file: string;
  readonly kubeconfig: string;
  /** Of the Lease. */
  readonly namespace: string;
  readonly logFolder: string;
  readonly extraArgs: readonly string[];
}

/** What it calls itself in the audit log. */
export const managerAgent = 'rstream-manager';

export class ManagerUnderTest {
  readonly daemon: Daemon;
  /** Milliseconds since the epoch. */
  readonly startedAt = Date.now();
  readonly #metricsPort: number;
  readonly #logFile: string;

  private constructor(daemon: Daemon, metricsPort: number, logFile: string) {
    this.daemon = daemon;
    this.#metricsPort = metricsPort;
    this.#logFile = logFile;
  }

  static async start(options: ManagerStart): Promise<ManagerUnderTest> {
    const metricsPort = await freePort();
    const logFile = join(options.logFolder, `manager-${metricsPort}.log`);
    const daemon = new Daemon({
      command: process.execPath,
      args: [
        // The limit of dist/operator.yaml.
        ...nodeArgs('512Mi'),
        options.file,
        ...['--kubeconfig', options.kubeconfig, '--agent-image', 'agent:bench', '--leader-elect'],
        // As long as no bench takes, so that a machine with other work to do cannot end the manager under it.
        ...[
          '--leader-election-namespace',
          options.namespace,
          '--lease-duration',
          '10m',
          '--renew-deadline',
          '9m',
        ],
        ...['--metrics-bind-address', `127.0.0.1:${metricsPort}`],
        ...['--health-probe-bind-address', '127.0.0.1:0'],
        ...options.extraArgs,
      ],
      logFile,
      env: { NODE_ENV: 'production' },
    });
    const manager = new ManagerUnderTest(daemon, metricsPort, logFile);
    await eventually('the manager leads', () => manager.log().includes('"starting workers"'), {
      timeoutMs: 60_000,
    });
    return manager;
  }

  /** Resolves as `work` does, but fails at once when the manager ends. */
  async during<T>(work: Promise<T>): Promise<T> {
    const ended = this.daemon.exited.then(() => {
      throw new Error(`the manager ended:\n${this.daemon.tail()}`);
    });
    return await Promise.race([work, ended]);
  }

  log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Reconciles of a controller that ended so far, however they ended. */
  async reconciles(controller: 'rstreamtunnel' | 'rstreamconnection'): Promise<number> {
    return await this.#sum('controller_runtime_reconcile_total', `controller="${controller}"`);
  }

  /** Until nothing was queued or worked on for half a second; delayed keys (a takeover in ten seconds) do not count. */
  async quiet(): Promise<void> {
    let times = 0;
    await eventually(
      'the manager has nothing to do',
      async () => {
        times = (await this.#isQuiet()) ? times + 1 : 0;
        return times >= 5;
      },
      { timeoutMs: 120_000, everyMs: 100 },
    );
  }

  async #isQuiet(): Promise<boolean> {
    const depth = await this.#sum('workqueue_depth', '');
    return depth + (await this.#sum('controller_runtime_active_workers', '')) === 0;
  }

  async #sum(name: string, label: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
    if (lines.length === 0) throw new Error(`the manager has no metric ${name} with ${label}`);
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
}
