// Every version of a tunnel's status, as a watch tells them: who changed what from one to the next.

import type { Condition } from '../../src/api/conditions.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { compareVersions } from '../../src/kube/store.ts';
import { eventually } from './eventually.ts';
import { type TunnelLike, tunnelResource } from './rstream-resources.ts';

type Owner = 'agent' | 'manager';

const agents = new Set([
  'tunnelID',
  'forwardingAddress',
  'agentPod',
  'lastError',
  'conditions/TunnelReady',
  'conditions/TargetReachable',
]);

export class StatusHistory {
  readonly #stop = new AbortController();
  readonly #versions: TunnelLike[] = [];
  #watching: Promise<void> = Promise.resolve();

  static async follow(client: KubeClient, namespace: string, name: string): Promise<StatusHistory> {
    const history = new StatusHistory();
    const { items, resourceVersion } = await client.list(tunnelResource, { namespace });
    history.#versions.push(...items.filter(({ metadata }) => metadata.name === name));
    history.#watching = history.#watch(client, namespace, name, resourceVersion ?? '');
    return history;
  }

  async #watch(client: KubeClient, namespace: string, name: string, resourceVersion: string): Promise<void> {
    const options = { namespace, resourceVersion, silenceMs: 300_000, signal: this.#stop.signal };
    try {
      for await (const event of client.watch(tunnelResource, options)) {
        if (event.type === 'MODIFIED' && event.object.metadata.name === name)
          this.#versions.push(event.object);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  /** Until the watch has told this version. */
  async upTo(resourceVersion: string): Promise<void> {
    await eventually('the watch has told all', () => {
      const last = this.#versions.at(-1)?.metadata.resourceVersion;
      return (compareVersions(last, resourceVersion) ?? -1) >= 0;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  values<T>(of: (version: TunnelLike) => T): readonly T[] {
    return this.#versions.map(of);
  }

  /** How many versions came about by a write of this one's fields. */
  writesOf(owner: Owner): number {
    return this.#changes().filter(({ owners }) => owners.has(owner)).length;
  }

  /** Versions in which fields of both changed: one of them wrote what is the other's. */
  mixedWrites(): readonly string[] {
    const mixed = this.#changes().filter(({ owners }) => owners.size > 1);
    return mixed.map(({ paths }) => paths.join());
  }

  /** Conditions whose lastTransitionTime moved without their status. The other way round a second can be too short. */
  strayTransitions(): readonly string[] {
    return this.#pairs().flatMap(([before, after]) =>
      (after.status?.conditions ?? []).flatMap((condition) => {
        const was = before.status?.conditions?.find(({ type }) => type === condition.type);
        const isStray =
          was?.status === condition.status && was.lastTransitionTime !== condition.lastTransitionTime;
        return isStray ? [`${condition.type} at ${after.metadata.resourceVersion}`] : [];
      }),
    );
  }

  #changes(): readonly { readonly paths: readonly string[]; readonly owners: ReadonlySet<Owner> }[] {
    return this.#pairs().map(([before, after]) => {
      const [was, is] = [fieldsOf(before), fieldsOf(after)];
      const paths = [...new Set([...was.keys(), ...is.keys()])].filter(
        (path) => was.get(path) !== is.get(path),
      );
      return { paths, owners: new Set(paths.map((path): Owner => (agents.has(path) ? 'agent' : 'manager'))) };
    });
  }

  #pairs(): readonly (readonly [TunnelLike, TunnelLike])[] {
    return this.#versions.slice(1).flatMap((after, index) => {
      const before = this.#versions[index];
      return before ? [[before, after] as const] : [];
    });
  }
}

/** Each field and each condition of a status as text. */
function fieldsOf({ status = {} }: TunnelLike): ReadonlyMap<string, string> {
  const { conditions = [], ...fields } = status;
  const text = (condition: Condition) => JSON.stringify(Object.entries(condition).sort());
  return new Map([
    ...Object.entries(fields).map(([field, value]): [string, string] => [field, JSON.stringify(value)]),
    ...conditions.map((condition): [string, string] => [`conditions/${condition.type}`, text(condition)]),
  ]);
}
