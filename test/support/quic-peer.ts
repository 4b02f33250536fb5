// Processes of the quic-peer program, which is our QUIC's other side made with quic-go: built once per run, one JSON line per report.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { testHome } from './test-home.ts';

const run = promisify(execFile);
const source = join(import.meta.dirname, '..', 'conformance', 'quic-peer');

export type Report = Readonly<Record<string, unknown>>;

let built: Promise<string> | undefined;

/** The program's path; the first call of a machine downloads what it is made of. */
export function buildQuicPeer(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const program = join(testHome, 'quic-peer');
  const env = { ...process.env, GOWORK: 'off', CGO_ENABLED: '0' };
  await run('go', ['build', '-buildvcs=false', '-o', program, '.'], { cwd: source, env });
  return program;
}

const patienceMs = 30_000;

export class QuicPeer {
  readonly #process: ChildProcess;
  readonly #reports: AsyncIterator<string>;
  #errors = '';

  static async start(role: string, flags: Readonly<Record<string, string>>): Promise<QuicPeer> {
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const program = await buildQuicPeer();
    return new QuicPeer(spawn('setpriv', ['--pdeathsig', 'KILL', program, role, ...args]));
  }

  private constructor(child: ChildProcess) {
    if (!child.stdout || !child.stderr) throw new Error('the program has no output');
    this.#process = child;
    child.stderr.on('data', (text) => (this.#errors += text));
    child.stdin?.on('error', () => {});
    this.#reports = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line it prints. */
  async next(): Promise<Report> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`quic-peer is silent: ${this.#errors}`)),
      patienceMs,
    );
    try {
      const { value, done } = await Promise.race([this.#reports.next(), late.promise]);
      if (done) throw new Error(`quic-peer ended: ${this.#errors}`);
      return JSON.parse(value);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives it a command and returns what it says about it. */
  async command(line: string): Promise<unknown> {
    this.#process.stdin?.write(`${line}\n`);
    return (await this.next()).result;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}
