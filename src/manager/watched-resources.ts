// The resources the manager watches or writes, typed as what its caches keep of them.

import { RSTREAM_CONNECTION, RSTREAM_TUNNEL } from '../api/group.ts';
import { type Resource, resource } from '../kube/resource.ts';
import {
  configMaps,
  deployments,
  podDisruptionBudgets,
  pods,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
  services,
} from '../kube/well-known.ts';
import type { CachedChild, CachedGrant, CachedPod, CachedSecret, CachedService } from './cached-objects.ts';
import type { CachedConnection, CachedTunnel } from './cached-tunnel.ts';

export const tunnels = resource<CachedTunnel>(RSTREAM_TUNNEL);
export const connections = resource<CachedConnection>(RSTREAM_CONNECTION);

export const cachedSecrets = resource<CachedSecret>({ ...untyped(secrets), metadataOnly: true });
export const cachedServices = resource<CachedService>(untyped(services));
export const cachedPods = resource<CachedPod>(untyped(pods));

export function cachedGrants(version: string): Resource<CachedGrant> {
  return resource<CachedGrant>({
    group: 'gateway.networking.k8s.io',
    version,
    plural: 'referencegrants',
    kind: 'ReferenceGrant',
    namespaced: true,
  });
}

/** Everything a tunnel becomes, by kind. */
export const childResources: ReadonlyMap<string, Resource<CachedChild>> = new Map(
  [configMaps, serviceAccounts, roles, roleBindings, deployments, podDisruptionBudgets].map((descriptor) => [
    descriptor.kind,
    resource<CachedChild>(untyped(descriptor)),
  ]),
);

function untyped({ type: _, ...descriptor }: Resource): Omit<Resource, 'type'> {
  return descriptor;
}
