// The real helm, with folders of its own, so that nothing of the user's configuration reaches a test.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { kubeBinary } from './test-home.ts';

/** The chart as it is committed. */
export const CHART = fileURLToPath(new URL('../../dist/charts/rstream-operator', import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: charts hold manifests of many kinds
export type Manifest = any;

export class Helm {
  readonly #home = mkdtempSync(join(tmpdir(), 'helm-'));
  readonly #kubeconfig: string | undefined;

  /** Without a kubeconfig only what needs no cluster works. */
  constructor(kubeconfig?: string) {
    this.#kubeconfig = kubeconfig;
  }

  /** stdout; rejects with stderr in the message. */
  async run(...args: string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      HOME: this.#home,
      HELM_CACHE_HOME: this.#home,
      HELM_CONFIG_HOME: this.#home,
      HELM_DATA_HOME: this.#home,
      ...(this.#kubeconfig ? { KUBECONFIG: this.#kubeconfig } : {}),
    };
    const { stdout } = await promisify(execFile)(kubeBinary('helm'), args, {
      env,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }

  /** The manifests of `helm template` for some values, given as JSON. */
  async template(values: object = {}, ...args: string[]): Promise<Manifest[]> {
    const sets = Object.entries(values).flatMap(([key, value]) => [
      '--set-json',
      `${key}=${JSON.stringify(value)}`,
    ]);
    return parseManifests(
      await this.run('template', 'tunnels', CHART, '-n', 'rstream-system', ...sets, ...args),
    );
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}

export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => document.toJS() ?? []);
}
