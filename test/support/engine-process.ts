// The dev engine as a process of its own, with its admin listener.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';

/** Exchanges between agents and engine that a handover takes: the release, and the question after it. */
export const handoverExchanges = 2;

interface Announcement {
  readonly engine: string;
  readonly domain: string;
  readonly listenPort: number;
  readonly admin: string;
}

export interface AdminRecord {
  readonly number: number;
  readonly kind: string;
  readonly [key: string]: unknown;
}

export class EngineProcess {
  readonly directory = mkdtempSync(join(tmpdir(), 'rstream-engine-'));
  readonly caFile = join(this.directory, 'ca.pem');
  readonly #logFile = join(this.directory, 'log');
  #daemon: Daemon;
  #announced: Announcement | undefined;
  readonly #args: readonly string[];

  private constructor(args: readonly string[]) {
    this.#args = args;
    this.#daemon = this.#spawn('127.0.0.1:0');
  }

  /** Resolves once it accepts connections. Token "T". */
  static async start(args: readonly string[] = []): Promise<EngineProcess> {
    const engine = new EngineProcess(args);
    await engine.#accepting();
    return engine;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return this.#announcement.engine;
  }

  get port(): number {
    return this.#announcement.listenPort;
  }

  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  get daemon(): Daemon {
    return this.#daemon;
  }

  /** A call of the admin listener. */
  async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://${this.#announcement.admin}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async records(kind: string): Promise<readonly AdminRecord[]> {
    return (await this.admin('GET', `/records?kind=${kind}`)) as AdminRecord[];
  }

  /** Milliseconds between each release and the next claim, of one name or port (`host:…`, `port:…`) or of all. */
  async gaps(route?: string): Promise<readonly number[]> {
    const gaps = (await this.records('gap')).filter((gap) => route === undefined || gap.route === route);
    return gaps.map(({ gapMs }) => Number(gapMs));
  }

  /** What one exchange with the engine takes just now, as long as it takes to get a turn of the processor. */
  async exchangeMs(): Promise<number> {
    const asked = performance.now();
    await this.status();
    return performance.now() - asked;
  }

  async status(): Promise<Readonly<Record<string, number>>> {
    return (await this.admin('GET', '/status')) as Record<string, number>;
  }

  /** Kills it; `start` brings another one to the same port, with the same authority. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#daemon.stop(signal);
  }

  async restart(): Promise<void> {
    const { port } = this;
    await this.kill();
    this.#daemon = this.#spawn(`127.0.0.1:${port}`);
    await this.#accepting();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #announcement(): Announcement {
    if (!this.#announced) throw new Error(`the engine is not there:\n${this.#daemon.tail()}`);
    return this.#announced;
  }

  #spawn(listen: string): Daemon {
    rmSync(this.#logFile, { force: true });
    this.#announced = undefined;
    const main = new URL('../../src/dev-engine/main.ts', import.meta.url).pathname;
    const own = ['--listen', listen, '--token', 'T', '--ca-file', this.caFile, '--domain', 'engine.test'];
    return new Daemon({
      command: process.execPath,
      args: [main, ...own, '--admin-listen', '127.0.0.1:0', '--record-limit', '200000', ...this.#args],
      logFile: this.#logFile,
    });
  }

  async #accepting(): Promise<void> {
    this.#announced = await eventually(
      'the engine accepts connections',
      () => {
        const line = readFileSync(this.#logFile, 'utf8')
          .split('\n')
          .find((text) => text.startsWith('{"engine"'));
        return line === undefined ? undefined : (JSON.parse(line) as Announcement);
      },
      { timeoutMs: 30_000 },
    );
  }
}
