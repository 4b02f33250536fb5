// The two resources as tests write them to a real API server and read them there: whatever a spec holds, and what they look
// at of a status.

import type { Condition } from '../../src/api/conditions.ts';
import { RSTREAM_CONNECTION, RSTREAM_TUNNEL } from '../../src/api/group.ts';
import { type ChildNames, childNames } from '../../src/api/names.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { resource } from '../../src/kube/resource.ts';

/** Any object, loosely. */
export interface Loose extends KubeObject {
  readonly [field: string]: unknown;
}

export interface TunnelLike extends KubeObject {
  readonly spec: Record<string, unknown>;
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly observedGeneration?: number;
    readonly hostname?: string;
    readonly target?: string;
    readonly engine?: string;
    readonly agentPod?: string;
    readonly agentDeployment?: string;
    readonly lastError?: string;
    readonly rstreamName?: string;
  };
}

export const tunnelResource = resource<TunnelLike>(RSTREAM_TUNNEL);
export const connectionResource = resource<TunnelLike>(RSTREAM_CONNECTION);

/** What the manager names the children of a tunnel that is stored. */
export function childrenOf({ metadata }: KubeObject): ChildNames {
  return childNames(metadata.name, metadata.uid ?? '');
}
