// Many tunnels, and when each of them got where: created, its Deployment there, all conditions True. It watches as a user
// would, so times are those of somebody who looks from outside.

import { CHILD_LABEL } from '../../../src/api/names.ts';
import { systemClock } from '../../../src/common/clock.ts';
import { silentLogger } from '../../../src/common/logging.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { metadataOf, type Resource } from '../../../src/kube/resource.ts';
import {
  configMaps,
  type Deployment,
  deployments,
  roleBindings,
  roles,
  serviceAccounts,
} from '../../../src/kube/well-known.ts';
import { eventually } from '../../support/eventually.ts';
import { type Loose, type TunnelLike, tunnelResource } from '../../support/rstream-resources.ts';
import { forEachAtOnce } from './usage.ts';
import { benchNamespace } from './world.ts';

export interface Times {
  /** Milliseconds of performance.now(); absent: not yet. */
  createdAt?: number;
  deploymentAt?: number;
  doneAt?: number;
}

/** Everything a tunnel's status must say for it to count as done. */
const wanted = ['Accepted', 'Resolved', 'AgentReady', 'TunnelReady', 'Ready'];
const createAtOnce = 50;

export class Rollout {
  readonly #client: KubeClient;
  readonly #times = new Map<string, Times>();
  readonly tunnels: Informer<TunnelLike>;
  readonly deployments: Informer<Deployment>;

  constructor(client: KubeClient) {
    this.#client = client;
    const shared = { client, clock: systemClock, log: silentLogger, namespaces: [benchNamespace] };
    this.tunnels = new Informer({ ...shared, resource: tunnelResource });
    this.deployments = new Informer({ ...shared, resource: deployments });
    const seen = (tunnel: TunnelLike) => {
      if (isDone(tunnel)) this.#of(tunnel.metadata.name).doneAt ??= performance.now();
    };
    this.tunnels.subscribe({ onAdd: seen, onUpdate: seen });
    this.deployments.subscribe({
      onAdd: ({ metadata }) => {
        this.#of(metadata.labels?.[CHILD_LABEL.tunnelName] ?? '').deploymentAt ??= performance.now();
      },
    });
  }

  async start(): Promise<void> {
    for (const informer of [this.tunnels, this.deployments]) {
      informer.start();
      await informer.synced();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.tunnels.stop(), this.deployments.stop()]);
  }

  /** Creates so many tunnels at once; `created` is told of each. */
  async create(count: number, created: (tunnel: TunnelLike) => void = () => {}): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => `t${index}`);
    await forEachAtOnce(names, createAtOnce, async (name) => {
      this.#of(name).createdAt = performance.now();
      const tunnel: Loose = {
        metadata: { namespace: benchNamespace, name },
        spec: { target: { service: { name: 'app', port: 'http' } } },
      };
      created(await this.#client.create(tunnelResource, tunnel, { fieldManager: 'bench' }));
    });
  }

  /** Resolves when every tunnel created is done, and every child is there. */
  async done(timeoutMs: number): Promise<void> {
    const count = this.#times.size;
    await eventually(
      `${count} tunnels are done`,
      () => {
        const done = this.times().filter(({ doneAt }) => doneAt !== undefined).length;
        if (done < count) throw new Error(`${done} of ${count} are`);
        return true;
      },
      { timeoutMs, everyMs: 50 },
    );
    for (const kind of [configMaps, serviceAccounts, roles, roleBindings, deployments]) {
      const children = await countChildren(this.#client, kind);
      if (children !== count) throw new Error(`${children} of ${count} tunnels have a ${kind.kind}`);
    }
  }

  times(): readonly Times[] {
    return [...this.#times.values()];
  }

  /** Seconds from each tunnel's creation to `what`. */
  latencies(what: 'deploymentAt' | 'doneAt'): readonly number[] {
    return this.times().map(({ createdAt = Number.NaN, [what]: at = Number.NaN }) => (at - createdAt) / 1000);
  }

  /** Seconds from the first creation to the last `what`. */
  total(what: 'deploymentAt' | 'doneAt'): number {
    const starts = this.times().map(({ createdAt = Number.NaN }) => createdAt);
    const ends = this.times().map(({ [what]: at = Number.NaN }) => at);
    return (Math.max(...ends) - Math.min(...starts)) / 1000;
  }

  #of(name: string): Times {
    const times = this.#times.get(name) ?? {};
    this.#times.set(name, times);
    return times;
  }
}

export function isDone({ status, metadata }: TunnelLike): boolean {
  const conditions = status?.conditions ?? [];
  const isTrue = (type: string) => conditions.some((one) => one.type === type && one.status === 'True');
  return status?.observedGeneration === metadata.generation && wanted.every(isTrue) && !isTrue('Reconciling');
}

/** The Deployment serves and nothing of an older Pod template is left. */
export function isRolledOut({ metadata, status = {} }: Deployment): boolean {
  const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status;
  const isCurrent = observedGeneration === metadata.generation;
  return isCurrent && replicas === 1 && updatedReplicas === 1 && availableReplicas === 1;
}

async function countChildren(client: KubeClient, kind: Resource): Promise<number> {
  const selection = { namespace: benchNamespace, labelSelector: CHILD_LABEL.tunnelUid };
  return (await client.list(metadataOf(kind), selection)).items.length;
}
