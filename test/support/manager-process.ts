// A manager as a real process, and what can be seen of it from outside: probes, log, metrics.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import type { KubeApiserver } from './kube-apiserver.ts';

export class ManagerProcess {
  readonly daemon: Daemon;
  readonly logFile: string;

  private constructor(daemon: Daemon, logFile: string) {
    this.daemon = daemon;
    this.logFile = logFile;
  }

  /** It takes ports of its own and tells which: one that was free when we looked may be another's when a manager listens. */
  static async start(server: KubeApiserver, args: readonly string[]): Promise<ManagerProcess> {
    const logFile = join(server.directory, `manager-${randomUUID()}.log`);
    const daemon = new Daemon({
      command: process.execPath,
      args: [
        join('src', 'manager', 'main.ts'),
        ...['--kubeconfig', server.kubeconfig, '--agent-image', 'agent:test'],
        ...['--metrics-bind-address', '127.0.0.1:0', '--health-probe-bind-address', '127.0.0.1:0'],
        ...args,
      ],
      logFile,
    });
    return new ManagerProcess(daemon, logFile);
  }

  async working(): Promise<void> {
    await eventually('the manager starts its workers', () => this.log().includes('"starting workers"'), {
      timeoutMs: 60_000,
    });
  }

  async isReady(): Promise<boolean> {
    if (!this.daemon.running) throw new Error(`the manager has ended:\n${this.daemon.tail()}`);
    const answer = await fetch(`http://127.0.0.1:${this.#port('probes')}/readyz`);
    if (!answer.ok) throw new Error(await answer.text());
    return true;
  }

  #port(what: 'probes' | 'metrics'): string {
    const port = new RegExp(`"${what}":(\\d+)`).exec(this.log())?.[1];
    if (port === undefined) throw new Error(`the manager does not serve yet:\n${this.daemon.tail()}`);
    return port;
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#port('metrics')}/metrics`)).text();
  }

  /** Requests sent so far that change something; Events and leases are counted too. */
  async writes(): Promise<number> {
    const lines = (await this.metrics())
      .split('\n')
      .filter((line) => line.startsWith('rest_client_requests_total'));
    const writes = lines.filter((line) => !line.includes('method="GET"'));
    return writes.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Waits until it has written nothing for a second or so; resolves with its writes so far. */
  async quiet(): Promise<number> {
    const seen: number[] = [];
    return await eventually(
      'the manager has nothing left to write',
      async () => {
        const writes = await this.writes();
        seen.push(writes);
        return seen.length > 2 && seen.slice(-3).every((one) => one === writes) ? writes : undefined;
      },
      { everyMs: 450, timeoutMs: 60_000 },
    );
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.daemon.stop(signal);
  }
}
