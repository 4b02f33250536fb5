// What hostnames are derived from when no --cluster-id is given: the UID of kube-system, which lives as long as the
// cluster, or of the first watched namespace where that may not be read.

import { CodedError } from '../common/errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError } from '../kube/errors.ts';
import { namespaces } from '../kube/well-known.ts';
import { MANAGER_ERROR } from './errors.ts';

export async function findClusterId(
  client: KubeClient,
  watchNamespaces: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  for (const name of ['kube-system', ...watchNamespaces.slice(0, 1)]) {
    const uid = await uidOf(client, name, signal);
    if (uid !== undefined) return uid;
  }
  throw new CodedError(
    MANAGER_ERROR.invalidFlag,
    'no namespace tells which cluster this is: allow get on namespace kube-system, or set --cluster-id',
  );
}

async function uidOf(client: KubeClient, name: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await client.get(namespaces, { name }, { signal }))?.metadata.uid;
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}
