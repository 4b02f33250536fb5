// What hostnames are derived from when no --cluster-id is given: the UID of kube-system, which lives as long as the
// cluster, or of the first watched namespace where that may not be read.

import { Backoff } from '../common/backoff.ts';
import { type Clock, sleep } from '../common/clock.ts';
import { CodedError } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { isForbidden, KubeError } from '../kube/errors.ts';
import { namespaces } from '../kube/well-known.ts';
import { MANAGER_ERROR } from './errors.ts';

export interface ClusterIdOptions {
  readonly client: KubeClient;
  readonly watchNamespaces: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Waits out an API server that is down; throws when no namespace tells. */
export async function findClusterId(options: ClusterIdOptions, signal: AbortSignal): Promise<string> {
  const { client, watchNamespaces, clock, log } = options;
  const backoff = new Backoff({ initialMs: 500, maxMs: 10_000 });
  for (;;) {
    try {
      return await clusterIdOf(client, watchNamespaces, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof KubeError)) throw error;
      log.warn({ error }, 'the cluster was not identified and will be asked again');
    }
    await sleep(clock, backoff.next(), signal);
  }
}

async function clusterIdOf(
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
    if (isForbidden(error)) return undefined;
    throw error;
  }
}
