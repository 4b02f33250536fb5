// The official Python SDK in a virtual environment of the test home, made on first use, and processes that run it.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { testHome } from './test-home.ts';

const run = promisify(execFile);
const conformance = join(import.meta.dirname, '..', 'conformance');

let prepared: Promise<string> | undefined;

/** The path of a python that has the SDK; the first call of a machine downloads it. */
export function pythonWithSdk(): Promise<string> {
  prepared ??= prepare();
  return prepared;
}

async function prepare(): Promise<string> {
  const requirements = join(conformance, 'requirements.txt');
  const wanted = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  const venv = join(testHome, `venv-${wanted.slice(0, 12)}`);
  const python = join(venv, 'bin', 'python');
  const marker = join(venv, 'complete');
  if ((await readFile(marker, 'utf8').catch(() => '')) === wanted) return python;

  await rm(venv, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', venv]).catch((error: Error) => {
    throw new Error(
      'the conformance proof needs python3 (3.10 or newer) with venv; install python3 and python3-venv',
      { cause: error },
    );
  });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'];
  await run(python, [...install, '-r', requirements]);
  await writeFile(marker, wanted);
  return python;
}

export type Line = Readonly<Record<string, unknown>>;

/** A running script and what it has said so far. */
export class SdkProcess {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #errors = '';

  static async start(command: string, settings: object): Promise<SdkProcess> {
    const child = spawn(await pythonWithSdk(), [join(conformance, 'sdk.py'), command], {
      env: { PATH: process.env.PATH, SDK_SETTINGS: JSON.stringify(settings) },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new SdkProcess(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.lines.push(JSON.parse(line)));
    child.stderr?.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#exited = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  /** Ends its input and waits; rejects with what it wrote to stderr unless it left with 0. */
  async finish(): Promise<readonly Line[]> {
    this.#child.stdin?.end();
    const code = await this.#exited;
    if (code !== 0) throw new Error(`the SDK script left with ${code}: ${this.#errors}`);
    return this.lines;
  }

  /** Throws once the script has failed; for use in `eventually`. */
  check(): void {
    if (this.#child.exitCode)
      throw new Error(`the SDK script left with ${this.#child.exitCode}: ${this.#errors}`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Runs a script to its end. */
export async function runSdk(command: string, settings: object): Promise<readonly Line[]> {
  return (await SdkProcess.start(command, settings)).finish();
}
