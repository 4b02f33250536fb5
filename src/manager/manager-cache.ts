// Every informer of the manager: what the reconcilers read. Children and Pods are only those with our label, Secrets only
// as metadata, and the rest is cut down to the fields somebody reads.

import { CHILD_LABEL } from '../api/names.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer, type InformerOptions } from '../kube/informer.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import type { KubeObject } from '../kube/object.ts';
import {
  type CachedChild,
  type CachedPod,
  type CachedSecret,
  type CachedService,
  cacheChild,
  cachePod,
  cacheSecret,
  cacheService,
} from './cached-objects.ts';
import { type CachedConnection, type CachedTunnel, cacheResource } from './cached-tunnel.ts';
import { secretUses } from './connection-plan.ts';
import { connectionName, targetNamespace } from './resolve-tunnel.ts';
import {
  cachedPods,
  cachedSecrets,
  cachedServices,
  childResources,
  connections,
  tunnels,
} from './watched-resources.ts';

export interface ManagerCacheOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeMetrics | undefined;
  /** Empty: all of them. */
  readonly namespaces: readonly string[];
}

/** Phases in which no container is ever started again. */
const isOver = new Set(['Failed', 'Succeeded']);

type AnyInformer = Pick<
  Informer<KubeObject>,
  'start' | 'stop' | 'synced' | 'hasSynced' | 'failure' | 'refusal' | 'check'
>;

/** A child's key in a `Map` of kinds; the informers of all kinds behave alike. */
export class ManagerCache {
  readonly tunnels: Informer<CachedTunnel>;
  readonly connections: Informer<CachedConnection>;
  readonly secrets: Informer<CachedSecret>;
  readonly services: Informer<CachedService>;
  readonly pods: Informer<CachedPod>;
  readonly #children = new Map<string, Informer<CachedChild>>();

  constructor(options: ManagerCacheOptions) {
    const informer = <T extends KubeObject>(
      own: Pick<InformerOptions<T>, 'resource' | 'transform'> & Partial<InformerOptions<T>>,
    ) => new Informer<T>({ ...options, ...own });
    const labelSelector = CHILD_LABEL.tunnelUid;

    this.tunnels = informer({
      resource: tunnels,
      transform: cacheResource,
      keepManagedFields: true,
      indexes: {
        uid: ({ metadata }) => [metadata.uid],
        connection: ({ metadata, spec }) => [`${metadata.namespace}/${connectionName(spec)}`],
        service: (tunnel) => [`${targetNamespace(tunnel)}/${tunnel.spec.target.service.name}`],
      },
    });
    this.connections = informer({
      resource: connections,
      transform: cacheResource,
      keepManagedFields: true,
      indexes: {
        secret: ({ metadata, spec }) => secretUses(spec).map(({ name }) => `${metadata.namespace}/${name}`),
      },
    });
    this.secrets = informer({ resource: cachedSecrets, transform: cacheSecret });
    this.services = informer({ resource: cachedServices, transform: cacheService });
    this.pods = informer({
      resource: cachedPods,
      transform: cachePod,
      labelSelector,
      // With the namespace: labels are anybody's, and a Pod elsewhere says nothing about this tunnel. Nor does one that was
      // evicted: it stays behind for long, with whatever its containers said last.
      indexes: {
        tunnel: ({ metadata, tunnelUid, phase }) =>
          tunnelUid && !isOver.has(phase) ? [`${metadata.namespace}/${tunnelUid}`] : [],
      },
    });
    for (const [kind, resource] of childResources) {
      const transform = (object: unknown) => cacheChild(kind, object);
      this.#children.set(kind, informer({ resource, transform, labelSelector, keepManagedFields: true }));
    }
  }

  /** The informer of one kind of child; every kind in childResources has one. */
  children(kind: string): Informer<CachedChild> {
    const informer = this.#children.get(kind);
    if (informer === undefined) throw new RangeError(`no tunnel becomes a ${kind}`);
    return informer;
  }

  start(): void {
    for (const informer of this.#all()) informer.start();
  }

  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all().map((informer) => informer.synced(signal)));
  }

  get hasSynced(): boolean {
    return this.#all().every(({ hasSynced }) => hasSynced);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((informer) => informer.stop()));
  }

  /** For /healthz: which watch hangs. */
  check(): string | undefined {
    return this.#first((informer) => informer.check());
  }

  /** For /readyz: why the caches are not what is in the API server. One that is down is no reason: it tells when it is back. */
  get deficit(): string | undefined {
    if (!this.hasSynced) {
      const failure = this.#first((informer) => informer.failure);
      return `the caches are not filled yet${failure ? `: ${failure}` : ''}`;
    }
    const refusal = this.#first((informer) => informer.refusal);
    return refusal && `changes are not seen, because the API server refuses to tell of them: ${refusal}`;
  }

  #first(read: (informer: AnyInformer) => string | undefined): string | undefined {
    return this.#all()
      .map(read)
      .find((found) => found !== undefined);
  }

  #all(): readonly AnyInformer[] {
    return [
      this.tunnels,
      this.connections,
      this.secrets,
      this.services,
      this.pods,
      ...this.#children.values(),
    ];
  }
}
