// The cluster's ReferenceGrants, when its Gateway API serves them. Discovered at start and every five minutes; until it is
// known whether there are any, the answer is "unknown", because a refusal deletes what runs.

import { inBackground } from '../common/background.ts';
import { Backoff } from '../common/backoff.ts';
import type { Clock, Timer } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { Informer } from '../kube/informer.ts';
import type { KubeMetrics } from '../kube/metrics.ts';
import { type CachedGrant, cacheGrant } from './cached-objects.ts';
import { cachedGrants } from './watched-resources.ts';

export interface ReferenceGrantCacheOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeMetrics | undefined;
  readonly namespaces: readonly string[];
  /** Grants of this namespace changed; undefined: perhaps of every one. */
  readonly onChange: (namespace: string | undefined) => void;
}

const discoverEveryMs = 5 * 60_000;
const firstRetryMs = 1000;
const maxRetryMs = 60_000;
const group = '/apis/gateway.networking.k8s.io';
const versions = ['v1', 'v1beta1'];

export class ReferenceGrantCache {
  readonly #options: ReferenceGrantCacheOptions;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff({ initialMs: firstRetryMs, maxMs: maxRetryMs });
  #served: 'unknown' | 'none' | { readonly version: string; readonly informer: Informer<CachedGrant> } =
    'unknown';
  #timer: Timer | undefined;
  #losses = 0;

  constructor(options: ReferenceGrantCacheOptions) {
    this.#options = options;
  }

  /** undefined while it is not known. */
  grantsIn(namespace: string): readonly CachedGrant[] | undefined {
    if (this.#served === 'unknown') return undefined;
    if (this.#served === 'none') return [];
    return this.#served.informer.hasSynced
      ? this.#served.informer.byIndex('namespace', namespace)
      : undefined;
  }

  start(): void {
    inBackground(
      this.#options.log,
      'discovering ReferenceGrants',
      () => this.#discover(),
      this.#stopping.signal,
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the manager is stopping'));
    this.#timer?.cancel();
    if (typeof this.#served === 'object') await this.#served.informer.stop();
  }

  check(): string | undefined {
    return typeof this.#served === 'object' ? this.#served.informer.check() : undefined;
  }

  async #discover(): Promise<void> {
    let delayMs: number | undefined;
    try {
      await this.#use(await this.#servedVersion());
      this.#backoff.reset();
    } catch (error) {
      delayMs = this.#backoff.next();
      this.#options.log.warn({ error }, 'could not discover whether ReferenceGrants are served');
    }
    if (this.#stopping.signal.aborted) return;
    delayMs ??= discoverEveryMs * (1 - Math.random() / 10);
    this.#timer = this.#options.clock.after(delayMs, () => this.start(), { unref: true });
  }

  async #servedVersion(): Promise<string | undefined> {
    for (const version of versions) {
      if (await this.#serves(version)) return version;
    }
    return undefined;
  }

  async #serves(version: string): Promise<boolean> {
    try {
      const { resources } = await this.#options.client.getPath(`${group}/${version}`, {
        signal: this.#stopping.signal,
      });
      return Array.isArray(resources) && resources.some((resource) => resource?.name === 'referencegrants');
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #use(version: string | undefined): Promise<void> {
    const before = this.#served;
    if (typeof before === 'object') {
      if (before.version === version) {
        this.#losses = 0;
        return;
      }
      if (version === undefined) this.#confirmLoss();
      await before.informer.stop();
    }
    if (version === undefined) {
      this.#served = 'none';
      if (before !== 'none') this.#options.onChange(undefined);
      return;
    }
    const informer = this.#follow(version);
    this.#served = { version, informer };
    // In the background: grants that may not be listed yet must not keep the next discovery from happening.
    inBackground(
      this.#options.log,
      'listing ReferenceGrants',
      () => informer.synced(this.#stopping.signal).then(() => this.#options.onChange(undefined)),
      this.#stopping.signal,
    );
  }

  /** Without grants agents are stopped, so what was served must be missing twice before it is believed. */
  #confirmLoss(): void {
    this.#losses += 1;
    if (this.#losses < 2) throw new Error('ReferenceGrants are no longer served; looking again');
    this.#losses = 0;
  }

  #follow(version: string): Informer<CachedGrant> {
    const { onChange, ...options } = this.#options;
    const changed = ({ metadata }: CachedGrant) => onChange(metadata.namespace);
    const informer = new Informer<CachedGrant>({
      ...options,
      resource: cachedGrants(version),
      transform: cacheGrant,
      indexes: { namespace: ({ metadata }) => [metadata.namespace] },
    });
    informer.subscribe({ onAdd: changed, onUpdate: changed, onDelete: changed });
    informer.start();
    return informer;
  }
}
