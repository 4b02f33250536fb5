// Makes a tunnel's children what they should be: as many at once as their order allows, and none that is so already. What
// the API server refuses for good becomes a sentence; everything else is thrown, to be tried again.

import type { KubeManifest } from '../../charts-ts/agent-props.ts';
import { FIELD_MANAGER } from '../api/group.ts';
import { childLabels, childNames, type TunnelIdentity } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, isConflict } from '../kube/errors.ts';
import type { Informer } from '../kube/informer.ts';
import type { ObjectRef } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { adoptChild } from './adoption.ts';
import { type CachedChild, cacheChild } from './cached-objects.ts';
import { belongsTo, judgeChild, withAppliedHash } from './child-judgement.ts';
import { childResources } from './watched-resources.ts';

export interface ChildApplierOptions {
  readonly client: KubeClient;
  readonly children: (kind: string) => Informer<CachedChild>;
}

/** Kinds whose absence from the cache changes what a tunnel becomes, or what goes with its agents. */
export type ReclaimedKind = 'ConfigMap' | 'Deployment' | 'PodDisruptionBudget';

/** Kinds that disappear while their tunnel lives on. */
const removableKinds = ['Deployment', 'PodDisruptionBudget'];

export class ChildApplier {
  readonly #options: ChildApplierOptions;

  constructor(options: ChildApplierOptions) {
    this.#options = options;
  }

  /**
   * Resolves with why something was refused for good, or undefined when all is as it should be. `wereThere`: all of these were
   * there before, so that one the cache does not know has more likely lost its label than gone.
   */
  async apply(
    tunnel: TunnelIdentity,
    manifests: readonly KubeManifest[],
    wereThere: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const of = (...kinds: string[]) => manifests.filter(({ kind }) => kinds.includes(kind));
    const all = async (group: readonly KubeManifest[]) =>
      await settle(group.map((manifest) => this.#applyOne(tunnel, manifest, wereThere, signal)));

    const refusals = await settle([
      all(of('ServiceAccount', 'ConfigMap')).then(
        async (refusal) => refusal ?? (await all(of(...removableKinds))),
      ),
      all(of('Role')).then(async (refusal) => refusal ?? (await all(of('RoleBinding')))),
    ]);
    await this.removeAllBut(
      tunnel,
      manifests.map(({ kind }) => kind),
      signal,
    );
    return refusals;
  }

  /** Deletes what a tunnel with children of these kinds does not have any more. */
  async removeAllBut(tunnel: TunnelIdentity, kinds: readonly string[], signal: AbortSignal): Promise<void> {
    const others = removableKinds.filter((kind) => !kinds.includes(kind));
    await this.remove(tunnel, others, signal);
  }

  /** Deletes the tunnel's children of these kinds, and nobody else's. */
  async remove(tunnel: TunnelIdentity, kinds: readonly string[], signal: AbortSignal): Promise<void> {
    const { namespace } = tunnel;
    await Promise.all(
      kinds.map(async (kind) => {
        const child = this.live(tunnel, kind);
        if (child === undefined || child.metadata.deletionTimestamp !== undefined) return;
        const { name, uid } = child.metadata;
        await this.#options.client.delete(resourceOf(kind), { namespace, name }, { uid, signal });
      }),
    );
  }

  /**
   * Gives the tunnel's child its labels back when the cache does not know it, because somebody took away the one that it is
   * watched by: else it would run on unseen. Resolves once the cache knows it, or it turned out to be gone or another's.
   */
  async reclaim(tunnel: TunnelIdentity, kind: ReclaimedKind, signal: AbortSignal): Promise<void> {
    const { client, children } = this.#options;
    const { namespace } = tunnel;
    const name = nameOf(tunnel, kind);
    const resource = resourceOf(kind);
    if (children(kind).get({ namespace, name }) !== undefined) return;
    const found = await client.get(resource, { namespace, name }, { signal });
    const child = found && cacheChild(kind, found);
    if (child === undefined || !belongsTo(child, tunnel.uid)) return;

    const labels = childLabels(tunnel, kind === 'ConfigMap' ? 'config' : 'agent');
    const patch = { metadata: { uid: child.metadata.uid, labels } };
    const options = { fieldManager: FIELD_MANAGER.manager, signal };
    children(kind).written(await client.mergePatch(resource, { namespace, name }, patch, options));
  }

  /** The tunnel's live child of a kind, as far as the cache knows. */
  live(tunnel: TunnelIdentity, kind: string, name = nameOf(tunnel, kind)): CachedChild | undefined {
    const child = this.#options.children(kind).get({ namespace: tunnel.namespace, name });
    return child !== undefined && belongsTo(child, tunnel.uid) ? child : undefined;
  }

  /** The cache knows only objects with our label: one that it does not know may exist all the same. */
  async #applyOne(
    tunnel: TunnelIdentity,
    manifest: KubeManifest,
    wereThere: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const wanted = withAppliedHash(manifest);
    const known = this.#options.children(wanted.kind).get(refOf(wanted));
    if (known === undefined && !wereThere) {
      try {
        return await this.#send(onlyNew(wanted), signal);
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
    return await this.#applyOver(known ?? (await this.#read(wanted, signal)), tunnel, wanted, signal);
  }

  async #applyOver(
    live: CachedChild | undefined,
    tunnel: TunnelIdentity,
    wanted: KubeManifest,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { kind } = wanted;
    const verdict = judgeChild(wanted, live, tunnel.uid);
    if (verdict === 'keep' || verdict === 'wait') return undefined;
    if (verdict === 'foreign') {
      return `${kind} "${wanted.metadata.name}" exists and belongs to something else; delete it so that the operator can create its own`;
    }
    const { client } = this.#options;
    if (verdict === 'adopt') await adoptChild(client, resourceOf(kind), refOf(wanted), tunnel.uid, signal);
    return await this.#send(wanted, signal);
  }

  async #send(manifest: KubeManifest, signal: AbortSignal): Promise<string | undefined> {
    const { client, children } = this.#options;
    const { kind, metadata } = manifest;
    try {
      const applied = await client.apply(resourceOf(kind), manifest, {
        fieldManager: FIELD_MANAGER.manager,
        signal,
      });
      children(kind).written(applied);
      return undefined;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      return `${kind} "${metadata.name}" was refused: ${refusal}`;
    }
  }

  async #read(manifest: KubeManifest, signal: AbortSignal): Promise<CachedChild | undefined> {
    const { kind } = manifest;
    const found = await this.#options.client.get(resourceOf(kind), refOf(manifest), { signal });
    return found && cacheChild(kind, found);
  }
}

function refOf({ metadata: { namespace = '', name } }: KubeManifest): ObjectRef {
  return { namespace, name };
}

/**
 * Creates where there is nothing, and is a conflict with whatever there is: no object has the version that etcd starts with.
 */
function onlyNew(manifest: KubeManifest): KubeManifest {
  const metadata = { ...manifest.metadata, resourceVersion: '1' };
  return { ...manifest, metadata };
}

function nameOf({ name, uid }: TunnelIdentity, kind: string): string {
  const { base, config } = childNames(name, uid);
  return kind === 'ConfigMap' ? config : base;
}

function resourceOf(kind: string): Resource<CachedChild> {
  const found = childResources.get(kind);
  if (found === undefined) throw new RangeError(`no tunnel becomes a ${kind}`);
  return found;
}

/** Waits for all of them, so that nothing runs on behind a failure; then the first error, else the first refusal. */
async function settle(work: readonly Promise<string | undefined>[]): Promise<string | undefined> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return results.flatMap((result) =>
    result.status === 'fulfilled' && result.value ? [result.value] : [],
  )[0];
}

/** The API server's sentence when trying the same again soon cannot help: invalid, malformed, too large, forbidden, over quota. */
function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof ApiError) || ![400, 403, 404, 413, 422].includes(error.status)) return undefined;
  return error.message;
}
