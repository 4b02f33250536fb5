// Leader election over a Lease, with client-go's rules. Others may lead `leaseDuration` after they saw our last renewal;
// we stop `renewDeadline` after we sent it, by the monotonic clock, and `gate` closes at that very moment for every write.

import { type Clock, sleep } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isConflict } from './errors.ts';
import type { WriteGate } from './http.ts';
import { durationMsOf, heldSpec, holderOf, releasedSpec } from './lease-record.ts';
import type { KubeMetrics } from './metrics.ts';
import { type Lease, leases } from './well-known.ts';

/** What an elector needs of a KubeClient. */
export type LeaseClient = Pick<KubeClient, 'get' | 'create' | 'mergePatch'>;

export interface LeaderElectionOptions {
  /** Its reserved() side is used: renewals never wait for the rate limit, the gate or a free connection. */
  readonly client: { reserved(): LeaseClient };
  readonly namespace: string;
  readonly name: string;
  /** Unique per process. */
  readonly identity: string;
  /** How long others wait after our last renewal; whole seconds, default 15 s. */
  readonly leaseDurationMs?: number | undefined;
  /** How long we lead after our last renewal; default 10 s, below leaseDurationMs. */
  readonly renewDeadlineMs?: number | undefined;
  /** Between attempts to renew, less up to a quarter; default 2 s. Candidates, who only read, look twice as often. */
  readonly retryPeriodMs?: number | undefined;
  /**
   * The leader's work, started once the lease is ours. Its signal aborts when leadership ends or shutdown begins; on
   * shutdown the lease is kept until this resolves, at most renewDeadlineMs long, and released then.
   */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeMetrics | undefined;
  readonly random?: (() => number) | undefined;
}

/** stopped: asked to. lost: the lease could not be renewed; end the process, since work may still be winding down. */
export type LeadershipEnd = 'stopped' | 'lost';

interface Observed {
  readonly lease: Lease;
  readonly at: number;
}

interface Settings {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

const releaseAttempts = 3;

export class LeaderElector {
  readonly #options: LeaderElectionOptions;
  readonly #settings: Settings;
  readonly #client: LeaseClient;
  #observed: Observed | undefined;
  /** Whether the lease must be read before it can be written. */
  #stale = true;
  /** Monotonic time until which writes may be sent; undefined when not leading. */
  #deadline: number | undefined;

  constructor(options: LeaderElectionOptions) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000 } = options;
    if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs && retryPeriodMs > 0)) {
      throw new RangeError('leader election needs lease duration > renew deadline > retry period > 0');
    }
    if (leaseDurationMs % 1000 !== 0) throw new RangeError('the lease duration must be whole seconds');
    this.#options = options;
    this.#settings = { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
    this.#client = options.client.reserved();
    options.metrics?.leading(options.name, false);
  }

  get isLeader(): boolean {
    return this.#deadline !== undefined && this.#options.clock.now() < this.#deadline;
  }

  /** The holder last seen, us included. */
  get leader(): string | undefined {
    return this.#observed && holderOf(this.#observed.lease);
  }

  /** For KubeClient.gated: open only while the lease is ours for certain. */
  readonly gate: WriteGate = () => {
    if (this.#deadline === undefined) return 'this process does not lead';
    if (this.#options.clock.now() < this.#deadline) return undefined;
    return 'the lease was not renewed in time';
  };

  /** Waits for the lease, leads, and returns when that ended. Survives every API error meanwhile. */
  async run(signal: AbortSignal): Promise<LeadershipEnd> {
    if (!(await this.#acquire(signal))) return 'stopped';
    const { name, identity, log, metrics, lead } = this.#options;
    log.info({ lease: name, identity }, 'became the leader');
    metrics?.leading(name, true);

    const ending = new AbortController();
    const onAbort = () => ending.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const finished = new AbortController();
    const led = Promise.allSettled([Promise.resolve().then(() => lead(ending.signal))]).finally(() =>
      finished.abort(),
    );

    const lost = await this.#renewUntil(finished.signal, ending.signal);
    signal.removeEventListener('abort', onAbort);
    ending.abort(new Error(lost ?? 'the work has ended'));
    this.#deadline = undefined;
    metrics?.leading(name, false);
    if (lost !== undefined) {
      log.error({ lease: name, identity }, lost);
      return 'lost';
    }

    const [outcome] = await led;
    await this.#release();
    if (outcome.status === 'rejected') throw outcome.reason;
    return 'stopped';
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#attempt(signal)) return true;
      await this.#pause(signal);
    }
    return false;
  }

  /** Renews until the work has finished (undefined) or the lease is lost (why). */
  async #renewUntil(finished: AbortSignal, ending: AbortSignal): Promise<string | undefined> {
    const { clock, identity } = this.#options;
    let patience: number | undefined;
    for (;;) {
      await this.#pause(finished);
      if (finished.aborted) return undefined;
      if (ending.aborted) {
        patience ??= clock.now() + this.#settings.renewDeadlineMs;
        if (clock.now() >= patience) return 'the work of the leader did not end in time';
      }
      await this.#renew(finished);
      if (finished.aborted) return undefined;
      if (this.leader !== identity) return `the lease was taken by ${this.leader ?? 'nobody'}`;
      if (this.gate() !== undefined) return 'the lease could not be renewed in time';
    }
  }

  /** One attempt, given up when the lease ends meanwhile. */
  async #renew(finished: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const expired = new AbortController();
    const leftMs = (this.#deadline ?? 0) - clock.now();
    if (leftMs <= 0) return;
    const timer = clock.after(leftMs, () => expired.abort(new Error('the lease ended')));
    await this.#attempt(AbortSignal.any([finished, expired.signal]));
    timer.cancel();
  }

  /** Until the next attempt is due, or the lease runs out. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, random = Math.random } = this.#options;
    const isCandidate = this.#deadline === undefined;
    const periodMs = (this.#settings.retryPeriodMs / (isCandidate ? 2 : 1)) * (1 - random() / 4);
    const leftMs = this.#deadline === undefined ? periodMs : this.#deadline - clock.now();
    await sleep(clock, Math.max(1, Math.min(periodMs, leftMs)), signal).catch(() => {});
  }

  /** One try to get or renew the lease; false when it is another's or the API server did not agree. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { clock, log, name } = this.#options;
    const startedAt = clock.now();
    try {
      const lease = await this.#acquireOrRenew(signal);
      if (!lease) return false;
      this.#observed = { lease, at: clock.now() };
      this.#deadline = startedAt + this.#settings.renewDeadlineMs;
      return true;
    } catch (error) {
      // Whatever was known about the lease may be wrong now: read it again next time.
      this.#stale = true;
      if (signal.aborted) return false;
      const raced = isConflict(error) || isAlreadyExists(error);
      log[raced ? 'debug' : 'warn']({ lease: name, error }, 'the lease was not acquired or renewed');
      return false;
    }
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<Lease | undefined> {
    const { identity, clock } = this.#options;
    const ours = this.#observed && holderOf(this.#observed.lease) === identity && !this.#stale;
    if (!ours) {
      const lease = await this.#read(signal);
      if (!lease) return await this.#create(signal);
      this.#observe(lease);
      if (!this.#free(lease)) return undefined;
    }
    const lease = this.#observed?.lease;
    const spec = heldSpec(lease, identity, this.#settings.leaseDurationMs, clock.date());
    const renewed = await this.#write(lease, spec, signal);
    this.#stale = false;
    return renewed;
  }

  async #read(signal?: AbortSignal): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    return await this.#client.get(leases, { namespace, name }, { signal, timeoutMs: this.#callTimeoutMs() });
  }

  async #create(signal: AbortSignal): Promise<Lease> {
    const { namespace, name, identity, clock } = this.#options;
    const spec = heldSpec(undefined, identity, this.#settings.leaseDurationMs, clock.date());
    const created = await this.#client.create(
      leases,
      { metadata: { namespace, name }, spec },
      { fieldManager: 'leader-election', signal, timeoutMs: this.#callTimeoutMs() },
    );
    this.#stale = false;
    return created;
  }

  /** Carries the resourceVersion read, so that of two candidates one gets a conflict. */
  async #write(lease: Lease | undefined, spec: Lease['spec'], signal?: AbortSignal): Promise<Lease> {
    const { namespace, name } = this.#options;
    const metadata = { resourceVersion: lease?.metadata.resourceVersion };
    return await this.#client.mergePatch(
      leases,
      { namespace, name },
      { metadata, spec },
      { fieldManager: 'leader-election', signal, timeoutMs: this.#callTimeoutMs() },
    );
  }

  /** Remembers since when this very record has been seen: its times are another machine's and mean nothing here. */
  #observe(lease: Lease): void {
    const same = this.#observed?.lease.metadata.resourceVersion === lease.metadata.resourceVersion;
    this.#observed = { lease, at: same && this.#observed ? this.#observed.at : this.#options.clock.now() };
  }

  #free(lease: Lease): boolean {
    const holder = holderOf(lease);
    if (holder === undefined || holder === this.#options.identity) return true;
    const since = this.#observed?.at ?? this.#options.clock.now();
    return this.#options.clock.now() >= since + durationMsOf(lease, this.#settings.leaseDurationMs);
  }

  /** What was known is stale when a renewal was given up on its way, which may even arrive only now: then it is read again. */
  async #release(): Promise<void> {
    const { clock, log, name, identity } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const lease = this.#stale ? await this.#read() : this.#observed?.lease;
        if (!lease || holderOf(lease) !== identity) return;
        await this.#write(lease, releasedSpec(lease, clock.date()));
        log.info({ lease: name, identity }, 'released the lease');
        return;
      } catch (error) {
        this.#stale = true;
        if (isConflict(error) && attempt < releaseAttempts) continue;
        log.warn({ lease: name, error }, 'the lease was not released and will expire');
        return;
      }
    }
  }

  /** Short enough that one call that hangs leaves time for another before the lease ends. */
  #callTimeoutMs(): number {
    return this.#settings.renewDeadlineMs / 2;
  }
}
