// The Go program that plays engine, visitors and Service, and one way to talk to it.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..', '..');
const binaries = join(root, '.build', 'bench');

/** Builds driver and reference relay; returns their paths. */
export async function buildGoPrograms(): Promise<{ readonly driver: string; readonly relay: string }> {
  const cwd = join(import.meta.dirname, 'go');
  await run('go', ['build', '-o', `${binaries}/`, './driver', './relay'], { cwd });
  return { driver: join(binaries, 'driver'), relay: join(binaries, 'relay') };
}

export interface Command {
  readonly do: 'open' | 'transfer' | 'stall' | 'drain' | 'latency' | 'close';
  readonly streams?: number;
  /** For latency: how many streams are opened at one time. */
  readonly atOnce?: number;
  readonly bytes?: number;
  readonly fromService?: boolean;
}

export interface Answer {
  readonly error?: string;
  readonly seconds: number;
  readonly bytes: number;
  /** Milliseconds, sorted. */
  readonly times?: readonly number[];
  /** The driver's own. */
  readonly cpuSeconds: number;
}

export class Driver {
  /** HOST:PORT where the relay finds its engine and its Service, and the file with the authority to trust. */
  readonly engine: string;
  readonly target: string;
  readonly caFile: string;
  readonly directory: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  static async start(program: string): Promise<Driver> {
    const child = spawn(program, ['--token', 'T'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return new Driver(child, lines, JSON.parse(await nextLine(lines)));
  }

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    hello: { readonly engine: string; readonly target: string; readonly ca: string },
  ) {
    this.#child = child;
    this.#lines = lines;
    this.engine = hello.engine;
    this.target = hello.target;
    this.directory = mkdtempSync(join(tmpdir(), 'rstream-bench-'));
    this.caFile = join(this.directory, 'ca.pem');
    writeFileSync(this.caFile, hello.ca);
  }

  /** Resolves when the relay has opened its tunnel. */
  async online(): Promise<void> {
    await nextLine(this.#lines);
  }

  async command(command: Command): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const answer: Answer = JSON.parse(await nextLine(this.#lines));
    if (answer.error) throw new Error(`${command.do} failed: ${answer.error}`);
    return answer;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { done, value } = await lines.next();
  if (done) throw new Error('the driver ended');
  return value;
}
