// One plain control plane (no controller-manager) for all tests of a mocha process, started when first asked for.

import { KubeApiserver } from './kube-apiserver.ts';

let shared: Promise<KubeApiserver> | undefined;

/** The process's control plane; tests keep apart by namespace (`createNamespace`). Stopped after the last test. */
export function sharedKubeApiserver(): Promise<KubeApiserver> {
  shared ??= KubeApiserver.start();
  return shared;
}

// Registered on mocha's root suite, because this module is loaded while mocha reads its files.
after(async function stopSharedKubeApiserver() {
  this.timeout(60_000);
  await (await shared?.catch(() => undefined))?.stop();
});
