// kubectl against exactly one named cluster. Nothing here ever uses the current context of the user's own kubeconfig.

import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf } from '../../src/common/errors.ts';

/** Arguments that name the cluster: `--kubeconfig FILE` or `--context NAME`. */
export interface KubectlOptions {
  readonly program: string;
  readonly cluster: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export class Kubectl {
  readonly #options: KubectlOptions;

  constructor(options: KubectlOptions) {
    this.#options = options;
  }

  /** Runs to the end and returns what was printed; rejects with what kubectl said when it fails. */
  async run(args: readonly string[], stdin?: string): Promise<string> {
    const child = this.#spawn(args);
    // One that ends before it has read its input is judged by its exit code, not by a broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin ?? '');
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        output[stream] += text;
      });
    }
    const code = await ended(child);
    if (code !== 0)
      throw new Error(`kubectl ${args.join(' ')}: ${output.stderr.trim() || `ended with ${code}`}`);
    return output.stdout;
  }

  /** The text after JSON parsing; `undefined` when the object does not exist. */
  async get(args: readonly string[]): Promise<unknown> {
    const text = await this.run(['get', '--ignore-not-found', '-o', 'json', ...args]);
    return text.trim() === '' ? undefined : JSON.parse(text);
  }

  /** A local port that leads to a Service's port, for as long as the returned process runs. */
  async portForward(
    namespace: string,
    service: string,
    port: number,
  ): Promise<{ readonly port: number; stop(): void }> {
    const child = this.#spawn([
      '-n',
      namespace,
      'port-forward',
      '--address',
      '127.0.0.1',
      `service/${service}`,
      `:${port}`,
    ]);
    const local = await new Promise<number>((resolve, reject) => {
      let said = '';
      const hear = (text: string) => {
        said += text;
        const match = /127\.0\.0\.1:(\d+) ->/.exec(said);
        if (match) resolve(Number(match[1]));
      };
      child.stdout?.setEncoding('utf8').on('data', hear);
      child.stderr?.setEncoding('utf8').on('data', hear);
      child.once('error', reject);
      child.once('close', () => reject(new Error(`kubectl port-forward: ${said.trim()}`)));
    });
    return { port: local, stop: () => child.kill() };
  }

  #spawn(args: readonly string[]): ChildProcess {
    const { program, cluster, environment, signal } = this.#options;
    return spawn(program, [...cluster, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(signal && { signal }),
    });
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(missing(error)));
    child.once('close', resolve);
  });
}

function missing(error: Error): Error {
  if (codeOf(error) !== 'ENOENT') return error;
  return new Error('there is no kubectl: install it, or build it with make cluster-binaries', {
    cause: error,
  });
}
