// Reconciles one RstreamTunnel along the one-direction path: read (caches) → resolve → render → apply → status. It never
// asks why it was called, and it writes nothing when nothing changed.

import { LEGACY_FINALIZER } from '../api/group.ts';
import type { TunnelIdentity } from '../api/names.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconciled } from '../kube/controller.ts';
import { ApiError, isNotFound } from '../kube/errors.ts';
import { adoptStatus, isLegacyStatus, removeLegacyFinalizer } from './adoption.ts';
import type { CachedPod } from './cached-objects.ts';
import type { CachedTunnel } from './cached-tunnel.ts';
import type { ChildApplier, ReclaimedKind } from './child-applier.ts';
import { wroteConfig } from './child-judgement.ts';
import { type NameRegistry, wordsOf } from './name-registry.ts';
import { resolveTunnel, specProblem, type TunnelPolicy, type TunnelReferences } from './resolve-tunnel.ts';
import { type FindChild, isStillSettled, nextPlanKey, planKey, settle } from './settled-plan.ts';
import type { TakeoverWatch } from './takeover.ts';
import { takeOver } from './takeover-writer.ts';
import type { EventToSend } from './tunnel-events.ts';
import type { TunnelMemories, TunnelMemory } from './tunnel-memory.ts';
import { identityOf, readConfig, type TunnelPlan, type TunnelPlanInput, tunnelPlan } from './tunnel-plan.ts';
import { reportTunnel } from './tunnel-report.ts';
import { type TunnelStatus, type TunnelStatusInput, tunnelStatus } from './tunnel-status.ts';
import { tunnels } from './watched-resources.ts';

export interface TunnelReconcilerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly applier: ChildApplier;
  readonly names: NameRegistry;
  readonly takeovers: TakeoverWatch;
  readonly memories: TunnelMemories;
  readonly policy: TunnelPolicy;
  readonly agentImage: string;
  readonly clusterId: string;
  readonly tunnel: (key: string) => CachedTunnel | undefined;
  readonly references: (tunnel: CachedTunnel) => TunnelReferences;
  readonly pods: (tunnel: TunnelIdentity) => readonly CachedPod[];
  readonly written: (tunnel: CachedTunnel) => void;
  readonly emit: (about: CachedTunnel, event: EventToSend) => void;
}

/** How soon something that the API server refused is tried again, when nothing changes before. */
const refusedRetryMs = 30_000;

export class TunnelReconciler {
  readonly #options: TunnelReconcilerOptions;

  constructor(options: TunnelReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Reconciled> {
    const tunnel = this.#options.tunnel(key);
    if (tunnel === undefined) return this.#forget(key);
    if (tunnel.metadata.finalizers?.includes(LEGACY_FINALIZER)) return await this.#release(tunnel, signal);
    if (tunnel.metadata.deletionTimestamp !== undefined) return {};
    if (isLegacyStatus(tunnel.owners)) return await this.#adopt(tunnel, signal);

    const memory = this.#options.memories.of(key, tunnel.metadata.uid, (uid) => this.#gone(key, uid));
    if (memory.hostname === undefined) await this.#reclaim(tunnel, ['ConfigMap'], signal);
    const planned = this.#plan(tunnel, memory);
    if (planned === undefined) return await this.#takeOver(tunnel, memory, signal);
    const { refusal, failure } = await this.#tryToCarryOut(tunnel, planned, memory, signal);
    const current = this.#current(key, tunnel);
    if (current === undefined) return {};
    this.#claimName(key, current, planned.plan, memory);
    const outcome = { refusal, trouble: failure?.message };
    const found = this.#status(current, planned, outcome, memory);
    const reported = await reportTunnel(this.#options, { tunnel: current, found, memory }, signal);
    if (!('tunnel' in reported)) return reported;

    const { requeueAfterMs, requeue } = await this.#takeOver(reported.tunnel, memory, signal);
    if (failure !== undefined) throw failure;
    if (requeue) return { requeue };
    const retryMs = refusal === undefined ? undefined : refusedRetryMs;
    return { requeueAfterMs: earliest(requeueAfterMs, retryMs, reported.announceInMs, found.againInMs) };
  }

  /** With what agents have said meanwhile. undefined when it went or its spec changed: then its key is queued again. */
  #current(key: string, { metadata: { uid, generation } }: CachedTunnel): CachedTunnel | undefined {
    const current = this.#options.tunnel(key);
    return current?.metadata.uid === uid && current.metadata.generation === generation ? current : undefined;
  }

  #forget(key: string): Reconciled {
    this.#gone(key, this.#options.memories.forget(key));
    return {};
  }

  /** The tunnel of that uid; another one may have its key by now. */
  #gone(key: string, uid: string | undefined): void {
    if (uid !== undefined) this.#options.takeovers.forget(uid);
    this.#options.names.forget(key);
  }

  async #release(tunnel: CachedTunnel, signal: AbortSignal): Promise<Reconciled> {
    try {
      const released = await removeLegacyFinalizer(this.#options.client, tunnels, tunnel, signal);
      if (released) this.#options.written(released);
      return { requeueAfterMs: 0 };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return {};
    }
  }

  async #adopt(tunnel: CachedTunnel, signal: AbortSignal): Promise<Reconciled> {
    const { namespace, name } = tunnel.metadata;
    const adopted = await adoptStatus(this.#options.client, tunnels, { namespace, name }, signal);
    if (adopted === undefined) return {};
    this.#options.written(adopted);
    return { requeueAfterMs: 0 };
  }

  /** undefined while something is unknown that could change the answer. */
  #plan(tunnel: CachedTunnel, memory: TunnelMemory): PlannedTunnel | undefined {
    const { policy, agentImage, clusterId } = this.#options;
    const resolution = resolveTunnel(tunnel, this.#options.references(tunnel), policy);
    if ('pending' in resolution) return undefined;
    const problem = specProblem(tunnel.spec, policy);
    const previousHostname = this.#previousHostname(tunnel, memory);
    const input = { tunnel, resolution, specProblem: problem, agentImage, clusterId, previousHostname };
    const { settled } = memory;
    const isSettled = settled?.key === planKey(input) && isStillSettled(settled, this.#findChild(tunnel));
    return { plan: isSettled ? settled.plan : tunnelPlan(input), input };
  }

  /** Believed only while the ConfigMap is as we, or the Go operator, wrote it. */
  #previousHostname(tunnel: CachedTunnel, memory: TunnelMemory): string | undefined {
    if (memory.hostname !== undefined) return memory.hostname;
    const live = this.#liveConfigMap(tunnel);
    const isTrusted = live !== undefined && (live.legacy || wroteConfig(live));
    return isTrusted ? this.#liveConfig(tunnel, memory)?.tunnel.hostname : undefined;
  }

  /** Read again only when the text is another: reading YAML takes half a millisecond. */
  #liveConfig(tunnel: CachedTunnel, memory: TunnelMemory) {
    const text = this.#liveConfigMap(tunnel)?.config;
    if (text === undefined) return undefined;
    if (memory.liveConfig?.text !== text) memory.liveConfig = { text, config: readConfig(text) };
    return memory.liveConfig.config;
  }

  #findChild({ metadata: { namespace, name, uid } }: CachedTunnel): FindChild {
    return (kind, child) => this.#options.applier.live({ namespace, name, uid }, kind, child);
  }

  #liveConfigMap(tunnel: CachedTunnel) {
    return this.#options.applier.live(identityOf(tunnel), 'ConfigMap');
  }

  async #reclaim(tunnel: CachedTunnel, kinds: readonly ReclaimedKind[], signal: AbortSignal): Promise<void> {
    const expected = kinds.filter((kind) => mayHave(tunnel, kind));
    const { applier } = this.#options;
    await Promise.all(expected.map((kind) => applier.reclaim(identityOf(tunnel), kind, signal)));
  }

  /** What the API server answers instead of doing it belongs on the tunnel, however often it has to be tried. */
  async #tryToCarryOut(
    tunnel: CachedTunnel,
    planned: PlannedTunnel,
    memory: TunnelMemory,
    signal: AbortSignal,
  ): Promise<{ readonly refusal?: string | undefined; readonly failure?: ApiError }> {
    try {
      return { refusal: await this.#carryOut(tunnel, planned, memory, signal) };
    } catch (error) {
      if (error instanceof ApiError) return { failure: error };
      throw error;
    }
  }

  async #carryOut(
    tunnel: CachedTunnel,
    { plan, input }: PlannedTunnel,
    memory: TunnelMemory,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { applier } = this.#options;
    const identity = identityOf(tunnel);
    if (!kindsOf(plan).includes('Deployment'))
      await this.#reclaim(tunnel, ['Deployment', 'PodDisruptionBudget'], signal);
    switch (plan.action) {
      case 'keep':
        await applier.removeAllBut(identity, plan.kinds, signal);
        return undefined;
      case 'apply': {
        const wereThere = memory.settled !== undefined;
        const refusal = await applier.apply(identity, plan.manifests, wereThere, signal);
        if (refusal !== undefined) return refusal;
        memory.hostname = plan.config.tunnel.hostname;
        memory.liveConfig = undefined;
        memory.settled = settle(nextPlanKey(input, plan), plan, identity, this.#findChild(tunnel));
        return undefined;
      }
      case 'stop':
        await applier.remove(identity, ['Deployment', 'PodDisruptionBudget'], signal);
        return undefined;
      case 'leave':
        return plan.refusal;
      default:
        return plan satisfies never;
    }
  }

  /** While something is missing, an agent that runs uses the name it has. */
  #claimName(key: string, tunnel: CachedTunnel, plan: TunnelPlan, memory: TunnelMemory): void {
    if (plan.action === 'stop' || tunnel.spec.suspend) {
      this.#options.names.release(key);
      return;
    }
    const config = 'config' in plan ? plan.config : this.#liveConfig(tunnel, memory);
    if (config === undefined) return;
    const { engine } = config.connection;
    const { name = '' } = config.tunnel;
    const statusName = tunnel.status?.rstreamName;
    const others = this.#options.names.claim({ tunnel: key, engine, rstreamName: name, statusName });
    if (others.length === 0) return;
    const message = `${wordsOf(others, key)} uses the name "${name}" on engine ${engine} too; set spec.tunnelName of one of them`;
    this.#options.emit(tunnel, { type: 'Warning', reason: 'NameShared', message });
  }

  /** Everything there is to say about the tunnel. */
  #status(
    tunnel: CachedTunnel,
    { plan, input }: PlannedTunnel,
    outcome: Pick<TunnelStatusInput, 'refusal' | 'trouble'>,
    memory: TunnelMemory,
  ): TunnelStatus {
    // A plan with a configuration needs no other, and none is kept in memory beside it.
    const liveConfig = 'config' in plan ? undefined : this.#liveConfig(tunnel, memory);
    return tunnelStatus({ ...input, tunnel, plan, ...outcome, liveConfig, ...this.#observed(tunnel) });
  }

  async #takeOver(tunnel: CachedTunnel, memory: TunnelMemory, signal: AbortSignal): Promise<Reconciled> {
    const { refused, ...reconciled } = await takeOver(this.#options, tunnel, signal);
    const isTold = refused === memory.takeoverRefusal || refused === memory.refusal;
    if (refused !== undefined && !isTold)
      this.#options.emit(tunnel, { type: 'Warning', reason: 'InvalidSpec', message: refused });
    memory.takeoverRefusal = refused;
    return reconciled;
  }

  #observed(tunnel: CachedTunnel) {
    const identity = identityOf(tunnel);
    return {
      deployment: this.#options.applier.live(identity, 'Deployment')?.deployment,
      pods: this.#options.pods(identity),
      now: this.#options.clock.date().getTime(),
    };
  }
}

/** The status need not be true: it only says when it is worth the while to look. */
function mayHave({ spec, status }: CachedTunnel, kind: ReclaimedKind): boolean {
  if (kind === 'ConfigMap') return status?.target !== undefined;
  const isAlone = (spec.agent?.replicas ?? 1) <= 1;
  return status?.agentDeployment !== undefined && (kind === 'Deployment' || !isAlone);
}

/** What the plan makes sure of itself. */
function kindsOf(plan: TunnelPlan): readonly string[] {
  if (plan.action === 'apply') return plan.manifests.map(({ kind }) => kind);
  return plan.action === 'keep' ? plan.kinds : [];
}

function earliest(...delays: readonly (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

interface PlannedTunnel {
  readonly plan: TunnelPlan;
  readonly input: TunnelPlanInput & Pick<TunnelStatusInput, 'resolution'>;
}
