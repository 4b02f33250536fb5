// What must be looked at again when something changes: small mappers from a changed object to the keys of the tunnels and
// connections that depend on it. They only ever add keys; what happened is read from the caches later.

import { type KubeObject, keyOf } from '../kube/object.ts';
import type { CachedChild, CachedPod, CachedSecret, CachedService } from './cached-objects.ts';
import type { CachedConnection, CachedTunnel } from './cached-tunnel.ts';
import type { ManagerCache } from './manager-cache.ts';

export interface Enqueue {
  readonly tunnel: (key: string) => void;
  readonly connection: (key: string) => void;
}

/** Wires every informer to the queues. Add before the informers start. */
export function subscribeTriggers(cache: ManagerCache, childKinds: Iterable<string>, enqueue: Enqueue): void {
  const tunnelsOf = (index: string, value: string) => {
    for (const { metadata } of cache.tunnels.byIndex(index, value)) enqueue.tunnel(keyOf(metadata));
  };

  follow(cache.tunnels, (tunnel) => enqueue.tunnel(keyOf(tunnel.metadata)));
  follow<CachedConnection>(cache.connections, (connection) => {
    enqueue.connection(keyOf(connection.metadata));
  });
  whenGone(cache.connections, (connection) => tunnelsOf('connection', keyOf(connection.metadata)));
  follow<CachedSecret>(cache.secrets, (secret) => {
    const connections = cache.connections.byIndex('secret', keyOf(secret.metadata));
    for (const { metadata } of connections) enqueue.connection(keyOf(metadata));
  });
  follow<CachedService>(cache.services, (service) => tunnelsOf('service', keyOf(service.metadata)));

  const ofTunnel = ({ tunnelUid }: CachedPod) => tunnelUid && tunnelsOf('uid', tunnelUid);
  follow<CachedPod>(cache.pods, ofTunnel);
  for (const kind of childKinds) {
    follow<CachedChild>(cache.children(kind), ({ tunnelUid, controllerUid }) => {
      for (const uid of new Set([tunnelUid, controllerUid])) if (uid) tunnelsOf('uid', uid);
    });
  }
}

/** Tunnels whose Service lives in this namespace and who do not, or, without a namespace, in any other than theirs. */
export function crossNamespaceTunnels(
  tunnels: readonly CachedTunnel[],
  namespace: string | undefined,
): readonly string[] {
  return tunnels
    .filter(({ metadata, spec }) => {
      const target = spec.target.service.namespace;
      return target && target !== metadata.namespace && (namespace === undefined || target === namespace);
    })
    .map(({ metadata }) => keyOf(metadata));
}

interface Followed<T> {
  subscribe(handler: {
    onAdd(object: T): void;
    onUpdate(object: T, old: T): void;
    onDelete(object: T): void;
  }): unknown;
}

/** Of an update also what was before: labels, which say whose something is, are anybody's to edit. */
function follow<T extends KubeObject>(informer: Followed<T>, changed: (object: T) => unknown): void {
  const updated = (object: T, old: T) => {
    changed(object);
    changed(old);
  };
  informer.subscribe({ onAdd: changed, onUpdate: updated, onDelete: changed });
}

/** A finalizer may hold on to a connection for long after it was deleted; tunnels stop counting on it at once. */
function whenGone(
  informer: Pick<ManagerCache['connections'], 'subscribe'>,
  gone: (connection: CachedConnection) => void,
): void {
  informer.subscribe({
    onDelete: gone,
    onUpdate: (connection, old) => {
      if (connection.metadata.deletionTimestamp !== old.metadata.deletionTimestamp) gone(connection);
    },
  });
}
