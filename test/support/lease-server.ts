// One Lease with the API server's optimistic locking, in memory, for electors that run on a manual clock. Calls can be
// refused, delayed and counted per candidate.

import { ApiError, KubeError, kubeErrorCodes } from '../../src/kube/errors.ts';
import type { LeaseClient } from '../../src/kube/leader-election.ts';
import type { KubeObject, ObjectRef } from '../../src/kube/object.ts';
import { type Lease, type LeaseSpec, leases } from '../../src/kube/well-known.ts';

/** 'late': the caller waits in vain, and what it wrote arrives just before the next write of anybody. */
export type Fault = 'none' | 'down' | 'forbidden' | 'hanging' | 'answer lost' | 'late';

export class LeaseServer {
  lease: Lease | undefined;
  writes = 0;
  #version = 0;
  #late: (() => void) | undefined;

  /** A client of one candidate; `fault.now` decides what its calls meet. */
  client(fault: { now: Fault }): { reserved(): LeaseClient } {
    const client = {
      get: async (_resource: unknown, _ref: ObjectRef, options?: { signal?: AbortSignal | undefined }) => {
        await meet(fault, options?.signal);
        return this.lease;
      },
      create: async (
        _resource: unknown,
        object: KubeObject,
        options?: { signal?: AbortSignal | undefined },
      ) => {
        await meet(fault, options?.signal);
        if (this.lease) throw new ApiError({ status: 409, reason: 'AlreadyExists', message: 'exists' });
        return this.#store(object, specOf(object), fault);
      },
      mergePatch: async (
        _resource: unknown,
        _ref: ObjectRef,
        patch: Readonly<Record<string, unknown>>,
        options?: { signal?: AbortSignal | undefined },
      ) => {
        const write = () => this.#patch(patch, fault);
        if (fault.now === 'late') this.#late = write;
        await meet(fault, options?.signal);
        this.#late?.();
        return write();
      },
    };
    // Only ever called with the Lease resource, which is what the generic signatures come down to.
    return { reserved: () => client as unknown as LeaseClient };
  }

  #patch(patch: Readonly<Record<string, unknown>>, fault: { now: Fault }): Lease {
    this.#late = undefined;
    if (!this.lease) throw new ApiError({ status: 404, reason: 'NotFound', message: 'gone' });
    if (versionOf(patch) !== this.lease.metadata.resourceVersion) {
      throw new ApiError({ status: 409, reason: 'Conflict', message: 'modified' });
    }
    return this.#store(this.lease, specOf(patch), fault);
  }

  #store(object: KubeObject, spec: LeaseSpec, fault: { now: Fault }): Lease {
    this.#version += 1;
    this.writes += 1;
    const metadata = { ...object.metadata, resourceVersion: `${this.#version}` };
    this.lease = { apiVersion: 'coordination.k8s.io/v1', kind: leases.kind, metadata, spec };
    if (fault.now === 'answer lost') throw new KubeError(kubeErrorCodes.connection, 'reset');
    return this.lease;
  }
}

async function meet(fault: { now: Fault }, signal: AbortSignal | undefined): Promise<void> {
  await Promise.resolve();
  if (fault.now === 'down') throw new KubeError(kubeErrorCodes.connection, 'refused');
  if (fault.now === 'forbidden') throw new ApiError({ status: 403, reason: 'Forbidden', message: 'no' });
  if (fault.now !== 'hanging' && fault.now !== 'late') return;
  await new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    if (signal?.aborted) reject(signal.reason);
  });
}

function specOf(value: unknown): LeaseSpec {
  return typeof value === 'object' && value !== null && 'spec' in value
    ? ((value.spec ?? {}) as LeaseSpec)
    : {};
}

function versionOf(patch: Readonly<Record<string, unknown>>): unknown {
  const { metadata } = patch;
  return typeof metadata === 'object' && metadata !== null && 'resourceVersion' in metadata
    ? metadata.resourceVersion
    : undefined;
}
