// Whether a Gateway API ReferenceGrant lets tunnels of one namespace target a Service of another.
// https://gateway-api.sigs.k8s.io/api-types/referencegrant/

import { API_GROUP, TUNNEL_KIND } from '../api/group.ts';
import type { CachedGrant } from './cached-objects.ts';

/** `grants` are those of the Service's own namespace. */
export function isGranted(grants: readonly CachedGrant[], fromNamespace: string, service: string): boolean {
  return grants.some(
    ({ from, to }) =>
      from.some(
        (peer) => peer.group === API_GROUP && peer.kind === TUNNEL_KIND && peer.namespace === fromNamespace,
      ) &&
      to.some(
        (target) => !target.group && target.kind === 'Service' && (!target.name || target.name === service),
      ),
  );
}
