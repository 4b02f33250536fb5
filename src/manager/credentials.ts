// Where the manager's rights come from: a kubeconfig that a flag names, or the ServiceAccount of its Pod.

import type { Clock } from '../common/clock.ts';
import type { Credentials } from '../kube/credentials.ts';
import { inClusterCredentials } from '../kube/in-cluster.ts';

/** Rejects with ERR_KUBE_CREDENTIALS. client-node is loaded only where it is needed: in a Pod it would take 20 MiB for nothing. */
export async function credentialsOf(kubeconfig: string | undefined, clock: Clock): Promise<Credentials> {
  if (kubeconfig === undefined) return inClusterCredentials({ clock, env: process.env });
  const { kubeconfigCredentials } = await import('../kube/kubeconfig.ts');
  return kubeconfigCredentials({ file: kubeconfig, clock });
}
