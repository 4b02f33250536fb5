// The cluster's ReferenceGrants, when its Gateway API serves them. Discovered at start and every five minutes; until it is
// known whether there are any, the answer is "unknown", because a refusal deletes what runs. What keeps it from being known
// can be asked for: a right that is missing at once, anything else once it has lasted.

import { inBackground } from '../common/background.ts';
import { Backoff } from '../common/backoff.ts';
import type { Clock, Timer } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { isForbidden, isNotFound } from '../kube/errors.ts';
import { Informer, type Tried } from '../kube/informer.ts';
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

/** What keeps grants from being known for longer than this is told. */
const toldAfterMs = 10_000;
/** Of the API server's sentence. */
const maxTrouble = 500;
const discoverEveryMs = 5 * 60_000;
const firstRetryMs = 1000;
const maxRetryMs = 60_000;
const apiGroup = 'gateway.networking.k8s.io';
const group = `/apis/${apiGroup}`;
const versions = ['v1', 'v1beta1'];

export class ReferenceGrantCache {
  readonly #options: ReferenceGrantCacheOptions;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff({ initialMs: firstRetryMs, maxMs: maxRetryMs });
  #served: 'unknown' | 'none' | { readonly version: string; readonly informer: Informer<CachedGrant> } =
    'unknown';
  #timer: Timer | undefined;
  #losses = 0;
  #mayDiscover = true;
  /** Namespaces, or undefined for the whole cluster, whose grants have been listed. */
  readonly #listed = new Set<string | undefined>();
  /** Those whose grants may not be listed or watched now. */
  readonly #forbidden = new Set<string | undefined>();
  /** Since when (monotonic milliseconds) what is served, and then what is granted, is being looked for. */
  #lookingSince: number | undefined;
  #discoveryTrouble: string | undefined;
  /** By namespace, undefined for the whole cluster: why its grants could not be listed so far. */
  readonly #listTroubles = new Map<string | undefined, string>();

  constructor(options: ReferenceGrantCacheOptions) {
    this.#options = options;
  }

  /** undefined while it is not known. */
  grantsIn(namespace: string): readonly CachedGrant[] | undefined {
    if (this.#served === 'unknown') return undefined;
    if (this.#served === 'none') return [];
    const isListed = this.#listed.has(namespace) || this.#listed.has(undefined);
    return isListed ? this.#served.informer.byIndex('namespace', namespace) : undefined;
  }

  /** Which right is missing, in words that follow "may not"; grants made since it went are not known. */
  missingRight(namespace: string): string | undefined {
    if (this.#served === 'unknown') return this.#mayDiscover ? undefined : `get ${group}`;
    const verbs = `list and watch referencegrants.${apiGroup}`;
    if (this.#forbidden.has(undefined)) return `${verbs} in the whole cluster`;
    return this.#forbidden.has(namespace) ? `${verbs} in namespace "${namespace}"` : undefined;
  }

  /** Why grants are not known, when that has lasted and no right is missing. The same until it is over. */
  trouble(namespace: string): string | undefined {
    if (this.#served === 'unknown') return this.#discoveryTrouble;
    return this.#listTroubles.get(undefined) ?? this.#listTroubles.get(namespace);
  }

  start(): void {
    this.#lookingSince ??= this.#options.clock.now();
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
      this.#mayDiscover = true;
    } catch (error) {
      delayMs = this.#backoff.next();
      this.#couldNotDiscover(error);
      this.#options.log.warn({ error }, 'could not discover whether ReferenceGrants are served');
    }
    if (this.#stopping.signal.aborted) return;
    delayMs ??= discoverEveryMs * (1 - Math.random() / 10);
    this.#timer = this.#options.clock.after(delayMs, () => this.start(), { unref: true });
  }

  #couldNotDiscover(error: unknown): void {
    const before = [this.#mayDiscover, this.#discoveryTrouble];
    this.#mayDiscover = !isForbidden(error);
    this.#discoveryTrouble = this.#mayDiscover ? (this.#discoveryTrouble ?? this.#lasting(error)) : undefined;
    const after = [this.#mayDiscover, this.#discoveryTrouble];
    if (before.join() !== after.join()) this.#options.onChange(undefined);
  }

  #lasting(error: unknown): string | undefined {
    const { clock } = this.#options;
    const isLasting = clock.now() - (this.#lookingSince ?? clock.now()) >= toldAfterMs;
    return isLasting ? messageOf(error).slice(0, maxTrouble) : undefined;
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
      for (const known of [this.#listed, this.#forbidden, this.#listTroubles]) known.clear();
    }
    this.#lookingSince = this.#options.clock.now();
    if (version === undefined) {
      this.#served = 'none';
      if (before !== 'none') this.#options.onChange(undefined);
      return;
    }
    this.#served = { version, informer: this.#follow(version) };
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
      onTried: (tried) => this.#tried(tried),
    });
    informer.subscribe({ onAdd: changed, onUpdate: changed, onDelete: changed });
    informer.start();
    return informer;
  }

  /** The right is back when a watch begins: one to list alone would come and go with every try. */
  #tried({ namespace, verb, error }: Tried): void {
    const before = this.#known(namespace);
    if (error === undefined && verb === 'list') this.#listed.add(namespace);
    if (error === undefined && verb === 'watch') this.#forbidden.delete(namespace);
    if (isForbidden(error)) this.#forbidden.add(namespace);
    this.#noteTrouble(namespace, error);
    if (before !== this.#known(namespace)) this.#options.onChange(namespace);
  }

  /** Grants that were listed once stay known, whatever becomes of their watch. */
  #noteTrouble(namespace: string | undefined, error: unknown): void {
    const isOther = error === undefined || isForbidden(error) || this.#listed.has(namespace);
    const trouble = isOther ? undefined : (this.#listTroubles.get(namespace) ?? this.#lasting(error));
    if (trouble === undefined) this.#listTroubles.delete(namespace);
    else this.#listTroubles.set(namespace, trouble);
  }

  #known(namespace: string | undefined): string {
    const sets = [this.#listed, this.#forbidden, this.#listTroubles];
    return sets.map((set) => set.has(namespace)).join();
  }
}
