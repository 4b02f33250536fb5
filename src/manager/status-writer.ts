// Sends the manager's part of a status when, and only when, it differs from what is there.

import { FIELD_MANAGER } from '../api/group.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { isInvalid, isNotFound, isPatchMismatch } from '../kube/errors.ts';
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
  | { readonly gone: true };

export async function writeStatus<T extends KubeObject>(write: StatusWrite<T>): Promise<StatusResult<T>> {
  const { client, resource, contract, subject, wish, signal } = write;
  const { name, namespace, resourceVersion } = subject.metadata;
  const live: LiveStatus | undefined = subject.status && { ...subject.status };
  const now = write.clock.date();
  const { isChanged, own, removals } = statusWrites(contract, live, subject.owners.foreign, wish, now);
  if (!isChanged) return { unchanged: true };

  try {
    const options = { fieldManager: FIELD_MANAGER.manager, signal };
    if (removals.length > 0) {
      const test = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion } as const;
      await client.jsonPatch(resource, { name, namespace }, [test, ...removals], {
        ...options,
        subresource: 'status',
      });
    }
    const object = { metadata: { name, namespace }, status: own };
    return { written: await client.applyStatus(resource, object, options) };
  } catch (error) {
    if (isNotFound(error)) return { gone: true };
    if (isInvalid(error) && !isPatchMismatch(error) && error instanceof Error)
      return { refused: error.message };
    throw error;
  }
}
