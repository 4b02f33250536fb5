// Writes the agent's part of the tunnel's status: each write starts from a read, is refused by the API server if anything
// changed in between, and is tried again until it stands. After `stop` nothing is written.

import { FIELD_MANAGER, RSTREAM_TUNNEL } from '../api/group.ts';
import { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, isConflict } from '../kube/errors.ts';
import type { KubeObject } from '../kube/object.ts';
import { resource } from '../kube/resource.ts';
import type { LiveOwner } from './handover.ts';
import type { AgentState, TunnelState } from './state.ts';
import { type AgentStatus, isAnothersWord, type Known, liveOwner, nextStatus } from './status.ts';
import type { TargetHealth } from './target-health.ts';

export interface TunnelIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Absent: whatever tunnel has the name. */
  readonly uid: string | undefined;
}

export interface StatusReporterOptions {
  readonly client: KubeClient;
  readonly tunnel: TunnelIdentity;
  readonly podName: string;
  readonly targetAddress: string;
  readonly stableAddress: boolean;
  readonly state: AgentState;
  readonly target: TargetHealth;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

interface LiveTunnel extends KubeObject {
  readonly status?: AgentStatus;
}

const rstreamTunnels = resource<LiveTunnel>(RSTREAM_TUNNEL);

const callMs = 10_000;
const rereadMs = 30_000;
/** Somebody else has written: there is nothing to wait for. */
const conflictMs = 250;
/** An API server that asks for patience gets so much. */
const mostAskedMs = 60_000;
/** At most one write per this long for the target's sake. */
const targetQuietMs = 30_000;
/** The read of the status is shared by those who ask within this time. */
const liveFreshMs = 1_000;

export class StatusReporter {
  readonly #options: StatusReporterOptions;
  readonly #backoff: Backoff;
  #wake: (() => void) | undefined;
  #dirty = true;
  #targetReportedAt = Number.NEGATIVE_INFINITY;
  #targetReported: Known['target'];
  /** The next report has its time already, and will tell whatever is true of the target by then. */
  #targetWaits = false;
  /** Another Pod had the word: if it goes without a word, ours is due. */
  #heldBack = false;
  /** The time online that was last reported, by identity. */
  #announced: TunnelState | undefined;
  #live: { readonly at: number; readonly owner: Promise<LiveOwner | undefined> } | undefined;

  constructor(options: StatusReporterOptions) {
    this.#options = options;
    const { random } = options;
    this.#backoff = new Backoff({ initialMs: 500, maxMs: 30_000, ...(random && { random }) });
    options.state.onChange(() => this.#changed());
  }

  /** The target's state turned. */
  targetChanged(): void {
    if (!this.#targetWaits) this.#changed();
  }

  /** The live status; undefined when it cannot be read or the tunnel is not the one we serve. */
  readonly live = async (signal: AbortSignal): Promise<LiveOwner | undefined> => {
    const now = this.#options.clock.now();
    if (!this.#live || now - this.#live.at >= liveFreshMs) {
      const owner = this.#read(signal).then(
        (tunnel) => tunnel && liveOwner(tunnel.status),
        () => undefined,
      );
      this.#live = { at: now, owner };
    }
    return await this.#live.owner;
  };

  /** Reports until `stop` aborts. Never rejects. */
  async run(stop: AbortSignal): Promise<void> {
    const { random = Math.random } = this.#options;
    while (!stop.aborted) {
      this.#dirty = false;
      const retryMs = await this.#report(stop);
      if (stop.aborted) return;
      const looksAgain = this.#options.state.tunnel.kind === 'online' || this.#heldBack;
      const idleMs = looksAgain ? rereadMs * (0.5 + random()) : undefined;
      await this.#pause(retryMs ?? idleMs, stop);
    }
  }

  /** Milliseconds after which to try again, or undefined when the status is as it should be. */
  async #report(stop: AbortSignal): Promise<number | undefined> {
    const { clock, log } = this.#options;
    try {
      const live = await this.#read(stop);
      if (!live) return undefined;
      const { known, laterMs } = this.#known();
      this.#heldBack = isAnothersWord(known, live.status);
      const status = nextStatus(known, live.status, clock.date());
      if (status && !stop.aborted) await this.#write(live, status, stop);
      this.#announced = known.tunnel;
      if (known.target !== this.#targetReported) {
        this.#targetReported = known.target;
        this.#targetReportedAt = clock.now();
      }
      this.#backoff.reset();
      return laterMs;
    } catch (error) {
      if (stop.aborted) return undefined;
      this.#targetWaits = true;
      log[isConflict(error) ? 'debug' : 'warn']({ error }, 'could not report the status; trying again');
      return this.#retryMs(error);
    }
  }

  #retryMs(error: unknown): number {
    const backoffMs = this.#backoff.next();
    if (isConflict(error)) return Math.min(conflictMs, backoffMs);
    const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(backoffMs, Math.min(askedMs, mostAskedMs));
  }

  /** What to report now; the target's news wait until the last ones are old enough. */
  #known(): { readonly known: Known; readonly laterMs: number | undefined } {
    const { state, target, clock, podName, targetAddress, stableAddress } = this.#options;
    const sinceMs = clock.now() - this.#targetReportedAt;
    const early = target.state !== this.#targetReported && sinceMs < targetQuietMs;
    this.#targetWaits = early;
    const known: Known = {
      tunnel: state.tunnel,
      lastError: state.lastError,
      target: early ? this.#targetReported : target.state,
      targetAddress,
      podName,
      stableAddress,
      announced: state.tunnel === this.#announced,
    };
    return { known, laterMs: early ? targetQuietMs - sinceMs : undefined };
  }

  async #read(signal: AbortSignal): Promise<LiveTunnel | undefined> {
    const { client, tunnel, log } = this.#options;
    const live = await client.get(rstreamTunnels, tunnel, { signal, timeoutMs: callMs });
    if (live && (tunnel.uid === undefined || live.metadata.uid === tunnel.uid)) return live;
    log.debug({ uid: live?.metadata.uid }, 'the tunnel this agent serves does not exist any more');
    return undefined;
  }

  async #write(live: LiveTunnel, status: AgentStatus, stop: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const { namespace, name, resourceVersion } = live.metadata;
    const object = { metadata: { namespace, name, resourceVersion }, status };
    const options = { fieldManager: FIELD_MANAGER.agent, force: true, signal: stop, timeoutMs: callMs };
    await client.applyStatus(rstreamTunnels, object, options);
    log.debug({ reason: status.conditions?.[0]?.reason }, 'reported the status');
  }

  #changed(): void {
    this.#dirty = true;
    this.#live = undefined;
    this.#wake?.();
  }

  /** Until something changes, `ms` have passed (undefined: however long it takes) or `stop` aborts. */
  #pause(ms: number | undefined, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#dirty || stop.aborted) return resolve();
      const timer = ms === undefined ? undefined : this.#options.clock.after(ms, () => done());
      const done = () => {
        this.#wake = undefined;
        timer?.cancel();
        stop.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      stop.addEventListener('abort', done, { once: true });
    });
  }
}
