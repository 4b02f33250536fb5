// What a namespace looks like to its users: every child of its tunnels and every status, without what differs from one
// making of the same thing to the next. Two equal states are the same end state.

import type { Condition } from '../../src/api/conditions.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import {
  configMaps,
  deployments,
  podDisruptionBudgets,
  roleBindings,
  roles,
  serviceAccounts,
} from '../../src/kube/well-known.ts';
import type { ManagerHarness } from './manager-harness.ts';
import { tunnelResource } from './rstream-resources.ts';

const kinds: readonly Resource<KubeObject>[] = [
  configMaps,
  serviceAccounts,
  roles,
  roleBindings,
  deployments,
  podDisruptionBudgets,
];

/** By kind and name. */
export async function worldState(
  harness: ManagerHarness,
  namespace: string,
): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const kind of kinds) {
    const { items } = await harness.client.list(kind, { namespace });
    for (const object of items) {
      const { name, labels, annotations, ownerReferences } = object.metadata;
      if (labels?.['rstream.io/tunnel-uid'] === undefined) continue;
      const { metadata: _, status: __, secrets: ___, ...body } = { status: 0, secrets: 0, ...object };
      const ours = Object.entries(annotations ?? {}).filter(([key]) => key.startsWith('rstream.io/'));
      state[`${kind.kind} ${name}`] = { labels, annotations: ours, ownerReferences, ...body };
    }
  }
  for (const { metadata, status } of (await harness.client.list(tunnelResource, { namespace })).items) {
    const conditions = status?.conditions?.map(withoutTime);
    state[`status of ${metadata.name}`] = {
      ...status,
      conditions,
      isCurrent: status?.observedGeneration === metadata.generation,
    };
  }
  return state;
}

function withoutTime({ type, status, reason, message }: Condition): string {
  return `${type}=${status} ${reason}: ${message}`;
}
