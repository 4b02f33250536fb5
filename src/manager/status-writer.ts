// Sends the manager's part of a status when, and only when, it differs from what is there, and only onto the version that it
// was judged from: a status is applied by name, and one made out for an object that went must not land on its successor.
// metadata.uid is no help, because the API server ignores it in an apply to a status.

import { FIELD_MANAGER } from '../api/group.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isInvalid, isNotFound, isPatchMismatch } from '../kube/errors.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import type { StatusOwners } from './cached-tunnel.ts';
import { type LiveStatus, type StatusContract, type StatusWish, statusWrites } from './status-writes.ts';

export interface StatusSubject extends KubeObject {
  readonly status?: object | undefined;
  readonly owners: StatusOwners;
}

export interface StatusWrite<T extends KubeObject> {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly resource: Resource<T>;
  readonly contract: StatusContract;
  readonly subject: StatusSubject;
  readonly wish: StatusWish;
  readonly signal: AbortSignal;
}

/** `refused` carries the API server's sentence: an object stored under older rules can be beyond repair by us. */
export type StatusResult<T> =
  | { readonly unchanged: true }
  | { readonly written: T }
  | { readonly refused: string }
  /** Nothing was written: the object is another by now. `latest` is the one to judge, undefined when it is gone. */
  | { readonly latest: T | undefined };

export async function writeStatus<T extends KubeObject>(write: StatusWrite<T>): Promise<StatusResult<T>> {
  const { client, resource, contract, subject, wish, signal } = write;
  const { name, namespace, resourceVersion } = subject.metadata;
  const live: LiveStatus | undefined = subject.status && { ...subject.status };
  const now = write.clock.date();
  const { isChanged, own, removals } = statusWrites(contract, live, subject.owners.foreign, wish, now);
  if (!isChanged) return { unchanged: true };

  try {
    const options = { fieldManager: FIELD_MANAGER.manager, signal };
    let judged = resourceVersion;
    if (removals.length > 0) {
      const test = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion } as const;
      const subresource = 'status';
      const patched = await client.jsonPatch(resource, { name, namespace }, [test, ...removals], {
        ...options,
        subresource,
      });
      judged = patched.metadata.resourceVersion;
    }
    const object = { metadata: { name, namespace, resourceVersion: judged }, status: own };
    return { written: await client.applyStatus(resource, object, options) };
  } catch (error) {
    if (isNotFound(error)) return { latest: undefined };
    if (isConflict(error) || isPatchMismatch(error))
      return { latest: await client.get(resource, { name, namespace }, { signal }) };
    if (isInvalid(error) && error instanceof Error) return { refused: error.message };
    throw error;
  }
}
