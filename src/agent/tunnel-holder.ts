// Gets the tunnel on a control channel and serves it: asks for it, stands by while another agent holds it, serves streams
// while it is ours, and lets go on SIGTERM. A tunnel the engine took away is asked for again only when nobody holds it. What
// was settled for a minute (online, or standing by) starts the backoff anew, whatever unsettles it.

import type { Backoff } from '../common/backoff.ts';
import { type Clock, sleep } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { ControlChannel, Tunnel } from '../rstream/client-types.ts';
import { EngineError } from '../rstream/errors.ts';
import type { TunnelRequest } from '../rstream/tunnel-properties.ts';
import type { Forwarder } from './forwarder.ts';
import { askAgainMs, judge, type LiveOwner, mayAskAgain, type Refusal, type Verdict } from './handover.ts';
import type { AgentMetrics } from './metrics.ts';
import { OwnerView } from './owner-view.ts';
import type { Pulse } from './pulse.ts';
import { letGo, type ReleaseMode } from './release.ts';
import { type AgentState, type Problem, problemOf } from './state.ts';
import { isLocked } from './tunnel-request.ts';

export interface TunnelHolderOptions {
  readonly request: TunnelRequest;
  /** Shared with whoever connects again. */
  readonly backoff: Backoff;
  readonly forwarder: Forwarder;
  /** Reads the live status; undefined when it cannot be read. Absent outside a cluster. */
  readonly live?: ((signal: AbortSignal) => Promise<LiveOwner | undefined>) | undefined;
  readonly podName: string | undefined;
  readonly release: ReleaseMode;
  readonly drainMs: number;
  readonly state: AgentState;
  readonly pulse: Pulse;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/** First wait after the engine took the tunnel away: the new owner reports itself meanwhile. Doubles each time. */
const revokedMs = 2_000;
/** The same where nobody can tell who owns it. */
const revokedBlindMs = 60_000;
const revokedMaxMs = 600_000;
/** Online or standing by for so long, things are healthy: the next failure starts the backoff anew. */
const healthyMs = 60_000;
/** Ours for so long, the tunnel is not being fought over; longer than any wait, or both sides would forget in turn. */
const stableMs = 60_000;
const blindStableMs = 3_600_000;

export class TunnelHolder {
  readonly #options: TunnelHolderOptions;
  readonly #locked: boolean;
  #heldBefore = false;
  #revocations = 0;
  #blindMs = revokedBlindMs;
  /** Since when the tunnel is online, or we stand by for whoever has it. */
  #settledAt: number | undefined;

  constructor(options: TunnelHolderOptions) {
    this.#options = options;
    this.#locked = isLocked(options.request);
  }

  /** Until the channel ends or `stop` aborts. */
  async hold(channel: ControlChannel, stop: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const over = new AbortController();
    const onStop = () => over.abort(stop.reason);
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    const gone = channel.done.then(() => over.abort(new Error('the control channel ended')));

    try {
      while (!over.signal.aborted) {
        const tunnel = await this.#obtain(channel, over.signal);
        if (!tunnel) break;
        const since = clock.now();
        const end = await this.#serve(channel, tunnel, stop);
        if (end !== 'revoked' || over.signal.aborted) break;
        const heldMs = clock.now() - since;
        if (heldMs >= stableMs) this.#revocations = 0;
        if (heldMs >= blindStableMs) this.#blindMs = revokedBlindMs;
        await this.#revoked(over.signal);
      }
    } finally {
      stop.removeEventListener('abort', onStop);
    }
    if (!stop.aborted) await gone;
    else await this.leave(channel);
    this.#unsettle();
  }

  /** The tunnel, however long it takes; undefined when `signal` aborted first. */
  async #obtain(channel: ControlChannel, signal: AbortSignal): Promise<Tunnel | undefined> {
    const { clock, log, request, backoff } = this.#options;
    const view = new OwnerView({ read: (inTime) => this.#live(inTime), clock });
    const firstLook = view.look(signal);
    let refusedAt: number | undefined;
    let owned = false;

    while (!signal.aborted) {
      try {
        return await channel.openTunnel(request, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        const live = await (refusedAt === undefined ? firstLook : view.look(signal));
        // An owner that is gone leaves its name to be let go of: the patience for that begins now.
        if (refusedAt === undefined || (owned && live?.tunnelReady === false)) refusedAt = clock.now();
        owned = live?.tunnelReady ?? owned;
        const waitMs = this.#refused(error, live, clock.now() - refusedAt) ?? backoff.next();
        this.#options.pulse.rest(waitMs);
        await sleep(clock, waitMs, signal).catch(() => undefined);
      }
    }
    log.debug('stopped asking for the tunnel');
    return undefined;
  }

  /** Notes what a refusal means; returns when to ask again, or undefined for the backoff to decide. */
  #refused(error: unknown, live: LiveOwner | undefined, elapsedMs: number): number | undefined {
    const { state, clock, podName, random = Math.random } = this.#options;
    const problem = problemOf(error);
    if (!(error instanceof EngineError)) {
      this.#unsettle();
      this.#say('disconnected', problem);
      state.set({ kind: 'disconnected', problem }, clock.date());
      return undefined;
    }
    const facts = { locked: this.#locked, live, podName, heldBefore: this.#heldBefore, elapsedMs };
    const refusal: Refusal = { code: error.number, ...facts };
    const verdict = judge(refusal);
    this.#say(verdict.kind, problem);
    this.#show(verdict, problem);
    return askAgainMs(refusal, verdict, random);
  }

  #show(verdict: Verdict, problem: Problem): void {
    const { state, clock, request } = this.#options;
    const name = request.hostname ?? `port ${request.port}`;
    const now = clock.date();
    if (verdict.kind === 'standby') this.#settledAt ??= clock.now();
    else this.#unsettle();
    if (verdict.kind === 'standby') state.set({ kind: 'standby', owner: verdict.owner }, now);
    else if (verdict.kind === 'rejected') state.set({ kind: 'rejected', problem }, now);
    else state.set({ kind: 'connecting', message: `waiting for the engine to release ${name}` }, now);
  }

  /** One line when things turn, not one per request. */
  #say(kind: Verdict['kind'] | 'disconnected', problem: Problem): void {
    const { state, log } = this.#options;
    const before = state.tunnel.kind === 'connecting' ? 'waiting' : state.tunnel.kind;
    const fields = { code: problem.code, reason: problem.message };
    const text = kind === 'standby' ? 'standing by for the tunnel' : 'the engine refused the tunnel';
    log[before === kind ? 'debug' : 'warn'](fields, text);
  }

  async #serve(channel: ControlChannel, tunnel: Tunnel, stop: AbortSignal): Promise<string> {
    const { state, clock, log, metrics, forwarder } = this.#options;
    this.#heldBefore = true;
    this.#settledAt = clock.now();
    const { id: tunnelId, forwardingAddress } = tunnel;
    state.set({ kind: 'online', tunnelId, forwardingAddress }, clock.date());
    metrics.online(true);
    log.info({ tunnelId, forwardingAddress }, 'the tunnel is online');

    const accepting = this.#accept(tunnel);
    const end = await untilAborted(tunnel.done, stop);
    metrics.online(false);
    if (end === undefined) {
      state.set({ kind: 'stopping' }, clock.date());
      await letGo({ ...this.#options, channel, tunnel, accepting });
      return 'released';
    }
    await accepting;
    log.warn({ tunnelId, cause: end, streams: forwarder.active }, 'the tunnel ended');
    return end;
  }

  async #accept(tunnel: Tunnel): Promise<void> {
    for (let stream = await tunnel.accept(); stream; stream = await tunnel.accept()) {
      void this.#options.forwarder.forward(stream);
    }
  }

  /** Waits until the status says that nobody else holds the tunnel. */
  async #revoked(signal: AbortSignal): Promise<void> {
    const { state, clock, podName, pulse, live, random = Math.random } = this.#options;
    const problem = { code: 'ERR_RSTREAM_TUNNEL_CLOSED', message: 'the engine closed the tunnel' };
    state.set({ kind: 'disconnected', problem }, clock.date());
    this.#unsettle();
    const sightedMs = Math.min(revokedMaxMs, revokedMs * 2 ** Math.min(this.#revocations, 16));
    let waitMs = live ? sightedMs : this.#blindMs;
    this.#revocations += 1;

    while (!signal.aborted) {
      const jittered = waitMs * (0.75 + random() / 2);
      pulse.rest(jittered);
      await sleep(clock, jittered, signal).catch(() => undefined);
      const owner = await this.#live(signal);
      const may = mayAskAgain(owner, podName) ?? waitMs >= this.#blindMs;
      if (may && !owner) this.#blindMs = Math.min(revokedMaxMs, this.#blindMs * 2);
      if (may) return;
      if (owner) this.#settledAt ??= clock.now();
      if (owner) state.set({ kind: 'standby', owner: owner.agentPod ?? 'another agent' }, clock.date());
      waitMs = owner ? 10_000 : this.#blindMs;
    }
  }

  #unsettle(): void {
    const { clock, backoff } = this.#options;
    if (this.#settledAt !== undefined && clock.now() - this.#settledAt >= healthyMs) backoff.reset();
    this.#settledAt = undefined;
  }

  async #live(signal: AbortSignal): Promise<LiveOwner | undefined> {
    return await this.#options.live?.(signal).catch(() => undefined);
  }

  /** SIGTERM while the tunnel was not ours: nothing to release, but earlier streams may go on. Does nothing a second time. */
  async leave(channel?: ControlChannel): Promise<void> {
    const { state, clock } = this.#options;
    if (state.tunnel.kind === 'stopping') return;
    state.set({ kind: 'stopping' }, clock.date());
    await letGo({ ...this.#options, ...(channel && { channel }) });
  }
}

/** What `work` resolves to, or undefined once `signal` aborts. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve) => {
    const onAbort = () => resolve(undefined);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then((value) => {
      signal.removeEventListener('abort', onAbort);
      resolve(value);
    }, onAbort);
  });
}
