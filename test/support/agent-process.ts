// A real agent as a child process, with a configuration of the test's own, and what its probes and log say.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';

export interface AgentProcessOptions {
  readonly config: unknown;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Put before the command. */
  readonly prefix?: readonly string[];
}

/** Node starts slowly on a machine that is busy with other tests. */
const patience = { timeoutMs: 60_000 };

const started = new Set<AgentProcess>();

/** Kills every agent a test left behind and removes its files. */
export async function stopAgents(): Promise<void> {
  for (const agent of started) await agent.dispose();
}

export class AgentProcess {
  readonly directory = mkdtempSync(join(tmpdir(), 'rstream-agent-test-'));
  readonly daemon: Daemon;
  readonly #logFile = join(this.directory, 'log');

  constructor(options: AgentProcessOptions) {
    const file = join(this.directory, 'config.yaml');
    writeFileSync(file, typeof options.config === 'string' ? options.config : stringify(options.config));
    const main = new URL('../../src/agent/main.ts', import.meta.url).pathname;
    const [command = process.execPath, ...before] = [...(options.prefix ?? []), process.execPath, main];
    this.daemon = new Daemon({
      command,
      args: [...before, `--config=${file}`, '--health-bind-address=127.0.0.1:0', ...(options.args ?? [])],
      logFile: this.#logFile,
      env: { RSTREAM_AUTHENTICATION_TOKEN: 'T', ...options.env },
    });
    started.add(this);
  }

  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** The log's JSON lines. */
  get events(): ReadonlyArray<Readonly<Record<string, unknown>>> {
    const lines = this.log.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line));
  }

  /** Every address the tunnel was online at. */
  get addresses(): readonly string[] {
    return this.events
      .filter((event) => event.msg === 'the tunnel is online')
      .map((event) => String(event.forwardingAddress));
  }

  /** Status and body of a path of the health server. */
  async probe(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const port = await eventually(
      'the agent serves its probes',
      () => {
        return this.events.find((event) => event.msg === 'started')?.healthPort as number | undefined;
      },
      patience,
    );
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, body: await response.text() };
  }

  /** Until /readyz says yes; returns the latest address. */
  async ready(): Promise<string> {
    await eventually(
      `the agent is ready:\n${this.log}`,
      async () => (await this.probe('/readyz')).status === 200,
      patience,
    );
    return this.addresses.at(-1) ?? '';
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.daemon.stop(signal);
  }

  async dispose(): Promise<void> {
    started.delete(this);
    await this.stop('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
