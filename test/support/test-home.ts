// Where built binaries, images and virtual environments live between runs: one directory outside the tree.

import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$RSTREAM_TEST_HOME`, or `~/.cache/rstream-operator`. */
export const testHome = process.env.RSTREAM_TEST_HOME ?? join(homedir(), '.cache', 'rstream-operator');

/** The path of a Kubernetes binary: from `$KUBEBUILDER_ASSETS`, or built by `make cluster-binaries`. */
export function kubeBinary(name: string): string {
  const directories = [process.env.KUBEBUILDER_ASSETS, join(testHome, 'bin')];

  for (const directory of directories) {
    if (!directory) continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next directory may have it
    }
  }
  throw new Error(
    `${name} is not built; run "make cluster-binaries", or set KUBEBUILDER_ASSETS to a folder that holds it`,
  );
}
