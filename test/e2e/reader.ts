// A reader of the README, who has put what the sample asks for into samples/http-server.yaml and types every command as it stands.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { binariesFolder, nodePaths } from '../cluster/settings.ts';
import { documentedCommands, ROOT } from '../support/documented.ts';
import { type DemoCluster, nodeName } from './demo-cluster.ts';

export class Reader {
  readonly #cluster: DemoCluster;
  readonly #folder = mkdtempSync(join(tmpdir(), 'rstream-readme-'));

  constructor(cluster: DemoCluster, sample: string) {
    this.#cluster = cluster;
    symlinkSync(join(ROOT, 'dist'), join(this.#folder, 'dist'));
    mkdirSync(join(this.#folder, 'samples'));
    writeFileSync(join(this.#folder, 'samples', 'http-server.yaml'), sample);
  }

  /** What the README has its reader type between the two commands that do everything; the last two remove it all. */
  commands(): readonly string[] {
    return documentedCommands('README.md').filter((command) => !command.startsWith('make '));
  }

  async follow(commands: readonly string[]): Promise<void> {
    const env = {
      HOME: this.#folder,
      PATH: `${binariesFolder()}:${process.env.PATH}`,
      KUBECONFIG: nodePaths(nodeName).kubeconfig,
    };
    for (const command of commands) {
      await promisify(execFile)('bash', ['-ec', command], { cwd: this.#folder, env }).catch((error) => {
        throw new Error(`${command}\n${error.stderr}`);
      });
    }
  }

  /** What of the operator and the sample is still there. */
  async leftovers(): Promise<readonly string[]> {
    const kinds = 'crd,clusterroles,clusterrolebindings,namespaces';
    const names = await this.#cluster.kubectl.run(['get', kinds, '-o', 'name']);
    return names.split('\n').filter((name) => /rstream/.test(name) && !name.endsWith('/rstream-engine'));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
