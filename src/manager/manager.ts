// The manager put together: caches, the two controllers between which connections' outcomes flow, events and metrics.
// Caches fill as soon as it starts; nothing is reconciled before lead() and nothing after its signal aborts.

import type { Registry } from 'prom-client';
import { API_GROUP, CONNECTION_KIND, RSTREAM_TUNNEL, TUNNEL_KIND } from '../api/group.ts';
import { childNames } from '../api/names.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import { EventRecorder } from '../kube/events.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import { type KubeObject, keyOf } from '../kube/object.ts';
import { type CachedTunnel, isUnobserved } from './cached-tunnel.ts';
import { ChildApplier } from './child-applier.ts';
import { ConnectionOutcomes } from './connection-outcome.ts';
import { ConnectionReconciler } from './connection-reconciler.ts';
import { controlPlaneClient, type ProxyEnvironment } from './control-plane.ts';
import type { ManagerFlags } from './flags.ts';
import { ownConfig } from './last-good-engine.ts';
import { ManagerCache } from './manager-cache.ts';
import { controlPlaneCounter, registerResourceMetrics } from './manager-metrics.ts';
import { NameRegistry } from './name-registry.ts';
import { ReferenceGrantCache } from './reference-grant-cache.ts';
import { ResolutionCache } from './resolution-cache.ts';
import { connectionName, type TunnelReferences, targetNamespace } from './resolve-tunnel.ts';
import { TakeoverWatch } from './takeover.ts';
import { crossNamespaceTunnels, subscribeTriggers } from './triggers.ts';
import type { EventToSend } from './tunnel-events.ts';
import { TunnelMemories } from './tunnel-memory.ts';
import { TunnelReconciler } from './tunnel-reconciler.ts';
import { childResources } from './watched-resources.ts';

export interface ManagerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly metrics: KubeMetrics;
  readonly flags: ManagerFlags;
  /** How control planes are reached; absent: directly. */
  readonly proxies?: ProxyEnvironment | undefined;
  /** Of this process, in Events. */
  readonly identity: string;
}

const connectionWorkers = 16;
/** Events that could not be sent within this time after the workers ended are lost; others wait for the lease. */
const flushMs = 1000;

export class Manager {
  readonly #options: ManagerOptions;
  readonly #cache: ManagerCache;
  readonly #grants: ReferenceGrantCache;
  #controllers: readonly Controller[] = [];

  constructor(options: ManagerOptions) {
    this.#options = options;
    const namespaces = options.flags.watchNamespace;
    this.#cache = new ManagerCache({ ...options, namespaces });
    this.#grants = new ReferenceGrantCache({
      ...options,
      namespaces,
      onChange: (namespace) => this.#grantsChanged(namespace),
    });
    registerResourceMetrics({
      registry: options.registry,
      tunnels: () => this.#cache.tunnels.list(),
      connections: () => this.#cache.connections.list(),
    });
  }

  /** Starts to fill the caches; resolves once they are complete. */
  async start(signal: AbortSignal): Promise<void> {
    this.#cache.start();
    if (this.#options.flags.crossNamespaceTargets === 'grant') this.#grants.start();
    await this.#cache.synced(signal);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#cache.stop(), this.#grants.stop()]);
  }

  /** For /readyz: why it does not know what there is. */
  get deficit(): string | undefined {
    return this.#cache.deficit;
  }

  /** For /healthz: which watch or worker is stuck. */
  check(): string | undefined {
    const checks = [this.#cache, this.#grants, ...this.#controllers];
    return checks.map((part) => part.check()).find((failure) => failure !== undefined);
  }

  /** Reconciles until the signal aborts. `client` refuses to write when leadership is over. */
  async lead(client: KubeClient, clusterId: string, signal: AbortSignal): Promise<void> {
    const recorder = this.#recorder(client);
    const emit =
      (kind: string) =>
      (about: KubeObject, { type, reason, message }: EventToSend) =>
        recorder.event(
          { ...about, apiVersion: `${API_GROUP}/${RSTREAM_TUNNEL.version}`, kind },
          { type, reason, action: 'Reconcile', note: message },
        );
    const outcomes = new ConnectionOutcomes();
    const tunnels = this.#tunnelController(client, clusterId, outcomes, emit(TUNNEL_KIND));
    const connections = this.#connectionController(client, outcomes, tunnels, emit(CONNECTION_KIND));
    this.#controllers = [tunnels, connections];

    subscribeTriggers(this.#cache, childResources.keys(), {
      tunnel: (key) => tunnels.enqueue(key),
      connection: (key) => connections.enqueue(key),
    });
    const { workers } = this.#options.flags;
    this.#options.log.info({ workers, tunnels: this.#cache.tunnels.size }, 'starting workers');
    for (const controller of this.#controllers) controller.start();

    await aborted(signal);
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    await this.#lastWords(recorder);
  }

  /** What was seen is told while the lease is still held, or nobody would tell it: the next leader sees no change. */
  async #lastWords(recorder: EventRecorder): Promise<void> {
    const enough = new AbortController();
    const timer = this.#options.clock.after(flushMs, () => enough.abort());
    await recorder.flush(enough.signal);
    timer.cancel();
    await recorder.stop();
  }

  #recorder(client: KubeClient): EventRecorder {
    const { clock, log, identity } = this.#options;
    return new EventRecorder({
      client,
      clock,
      log,
      reportingController: `${API_GROUP}/rstream-operator`,
      reportingInstance: identity,
      fieldManager: 'rstream-operator',
    });
  }

  #tunnelController(
    client: KubeClient,
    clusterId: string,
    outcomes: ConnectionOutcomes,
    emit: (about: KubeObject, event: EventToSend) => void,
  ): Controller {
    const { flags, clock } = this.#options;
    const cache = this.#cache;
    const reconciler = new TunnelReconciler({
      client,
      clock,
      clusterId,
      emit,
      applier: new ChildApplier({ client, children: (kind) => cache.children(kind) }),
      names: new NameRegistry(),
      takeovers: new TakeoverWatch(),
      memories: new TunnelMemories(),
      policy: { ...flags, watchNamespaces: flags.watchNamespace },
      agentImage: flags.agentImage,
      tunnel: (key) => cache.tunnels.getByKey(key),
      references: (tunnel) => this.#references(tunnel, outcomes),
      pods: ({ namespace, uid }) => cache.pods.byIndex('tunnel', `${namespace}/${uid}`),
      written: (tunnel) => cache.tunnels.written(tunnel),
    });
    const isUrgent = (key: string) => isUnobserved(cache.tunnels.getByKey(key));
    return this.#controller('rstreamtunnel', flags.workers, reconciler, isUrgent);
  }

  #connectionController(
    client: KubeClient,
    outcomes: ConnectionOutcomes,
    tunnels: Controller,
    emit: (about: KubeObject, event: EventToSend) => void,
  ): Controller {
    const { flags, proxies, clock, registry } = this.#options;
    const cache = this.#cache;
    const resolve = controlPlaneClient({
      proxies,
      allowInsecure: flags.allowInsecureControlPlane,
      allowCidrs: flags.controlPlaneAllowCidr,
      onAnswer: controlPlaneCounter(registry),
    });
    const reconciler = new ConnectionReconciler({
      client,
      clock,
      outcomes,
      emit,
      resolutions: new ResolutionCache({ resolve, clock }),
      allowedEngines: flags.allowedEngines,
      connection: (key) => cache.connections.getByKey(key),
      tunnelConfigs: (key) => this.#tunnelConfigs(key),
      onOutcome: (key) => {
        for (const { metadata } of cache.tunnels.byIndex('connection', key)) tunnels.enqueue(keyOf(metadata));
      },
      written: (connection) => cache.connections.written(connection),
    });
    return this.#controller('rstreamconnection', Math.min(connectionWorkers, flags.workers), reconciler);
  }

  #controller(
    name: string,
    workers: number,
    reconciler: Pick<TunnelReconciler, 'reconcile'>,
    isUrgent?: (key: string) => boolean,
  ): Controller {
    const { clock, log, metrics } = this.#options;
    const reconcile = reconciler.reconcile.bind(reconciler);
    return new Controller({ name, workers, reconcile, isUrgent, clock, log, metrics });
  }

  #references(tunnel: CachedTunnel, outcomes: ConnectionOutcomes): TunnelReferences {
    const { namespace } = tunnel.metadata;
    const key = `${namespace}/${connectionName(tunnel.spec)}`;
    const connection = this.#cache.connections.getByKey(key);
    const { uid, generation, deletionTimestamp } = connection?.metadata ?? {};
    const serviceNamespace = targetNamespace(tunnel);
    return {
      connectionExists: connection !== undefined && deletionTimestamp === undefined,
      connection: outcomes.get(key, uid, generation),
      service: this.#cache.services.get({
        namespace: serviceNamespace,
        name: tunnel.spec.target.service.name,
      }),
      grants: this.#grants.grantsIn(serviceNamespace),
      missingRight: this.#grants.missingRight(serviceNamespace),
      grantsTrouble: this.#grants.trouble(serviceNamespace),
    };
  }

  *#tunnelConfigs(connectionKey: string): Iterable<string> {
    const configMaps = this.#cache.children('ConfigMap');
    for (const { metadata } of this.#cache.tunnels.byIndex('connection', connectionKey)) {
      const { namespace, name, uid } = metadata;
      const config = ownConfig(configMaps.get({ namespace, name: childNames(name, uid).config }), uid);
      if (config !== undefined) yield config;
    }
  }

  #grantsChanged(namespace: string | undefined): void {
    const [tunnels] = this.#controllers;
    for (const key of crossNamespaceTunnels(this.#cache.tunnels.list(), namespace)) tunnels?.enqueue(key);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
