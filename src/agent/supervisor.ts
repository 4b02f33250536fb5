// Keeps one tunnel online: connect, open the tunnel, serve it, and start over when the connection ends, with backoff that
// the holder resets after a minute of health. Asking for the tunnel is tunnel-holder's; letting go on SIGTERM is release's.

import type { Backoff } from '../common/backoff.ts';
import { type Clock, sleep } from '../common/clock.ts';
import { codeOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { ChannelEnd, ControlChannel, ControlChannelOptions } from '../rstream/client-types.ts';
import { EngineError } from '../rstream/errors.ts';
import type { AgentMetrics } from './metrics.ts';
import type { Pulse } from './pulse.ts';
import { seldom } from './seldom.ts';
import { type AgentState, isRefusal, problemOf } from './state.ts';
import type { TunnelHolder } from './tunnel-holder.ts';

export interface SupervisorOptions {
  readonly open: (options: ControlChannelOptions, signal: AbortSignal) => Promise<ControlChannel>;
  readonly channel: Omit<ControlChannelOptions, 'observer'>;
  readonly holder: TunnelHolder;
  /** Shared with the holder. */
  readonly backoff: Backoff;
  readonly state: AgentState;
  readonly pulse: Pulse;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Each request over the limits fails; one warning a minute says so. */
const overloadQuietMs = 60_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #warnsOfOverload: () => boolean;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#warnsOfOverload = seldom(options.clock, overloadQuietMs);
  }

  /** Resolves once `stop` has aborted and the tunnel has been let go of. Never rejects. */
  async run(stop: AbortSignal): Promise<void> {
    const { pulse, clock, log, state, holder, backoff } = this.#options;
    while (!stop.aborted) {
      await this.#session(stop);
      if (stop.aborted) break;
      const delayMs = backoff.next();
      pulse.rest(delayMs);
      log.debug(
        { delayMs: Math.round(delayMs), state: state.tunnel.kind },
        'waiting before connecting again',
      );
      await sleep(clock, delayMs, stop).catch(() => undefined);
    }
    await holder.leave();
  }

  async #session(stop: AbortSignal): Promise<void> {
    const { holder, clock } = this.#options;
    const channel = await this.#connect(stop);
    if (!channel) return;

    await holder.hold(channel, stop);
    if (stop.aborted) return;
    this.#lost(await channel.done, clock);
  }

  async #connect(stop: AbortSignal): Promise<ControlChannel | undefined> {
    const { open, channel, pulse, log, metrics, state, clock } = this.#options;
    pulse.beat();
    try {
      const opened = await open({ ...channel, observer: this.#observer() }, stop);
      log.info({ clientId: opened.clientId, mode: opened.mode }, 'connected to the engine');
      return opened;
    } catch (error) {
      if (stop.aborted) return undefined;
      const refused = isRefusal(error);
      const problem = problemOf(error);
      metrics.reconnects.inc({ cause: refused ? 'refused' : 'connect' });
      const text = error instanceof EngineError ? 'the engine refused us' : 'could not connect to the engine';
      log.warn({ error, code: problem.code }, text);
      state.set({ kind: refused ? 'rejected' : 'disconnected', problem }, clock.date());
      return undefined;
    }
  }

  #lost(end: ChannelEnd, clock: Clock): void {
    const { metrics, log, state } = this.#options;
    const problem =
      end.kind === 'clean'
        ? { code: 'ERR_RSTREAM_CONTROL_CLOSED', message: 'the engine closed the connection' }
        : problemOf(end.error);
    metrics.reconnects.inc({ cause: end.kind });
    log.warn(
      { cause: end.kind, code: problem.code, reason: problem.message },
      'lost the connection to the engine',
    );
    state.set({ kind: 'disconnected', problem }, clock.date());
  }

  #observer(): NonNullable<ControlChannelOptions['observer']> {
    const { metrics, pulse, log } = this.#options;
    return {
      heartbeat: () => pulse.beat(),
      serverMessage: (text) => log.info({ text: text.slice(0, 1_000) }, 'the engine sent a message'),
      dialBack: ({ tunnelId, streamId, ms, error }) => {
        if (error === undefined) return metrics.dialBackSeconds.observe(ms / 1000);
        const cause = dialBackCause(error);
        metrics.dialBackFailures.inc({ cause });
        // Of memory its bound warns.
        const loud = cause === 'overload' ? this.#warnsOfOverload() : cause !== 'memory';
        const fields = { tunnelId, stream: streamId, cause, error };
        log[loud ? 'warn' : 'debug'](fields, 'could not dial back for a stream');
      },
    };
  }
}

/** A label of few values for whatever kept a dial-back from being delivered. */
function dialBackCause(error: unknown): string {
  switch (codeOf(error)) {
    case 'ERR_RSTREAM_CONTROL_OVERLOAD':
      return 'overload';
    case 'ERR_RSTREAM_NO_ROOM':
      return 'memory';
    case 'ERR_RSTREAM_OPERATION_TIMEOUT':
      return 'timeout';
    case 'ERR_RSTREAM_ENGINE':
      return 'refused';
    case 'ERR_RSTREAM_TUNNEL_CLOSED':
      return 'closed';
    case 'ERR_RSTREAM_AUTH_REQUIRED':
    case 'ERR_RSTREAM_INVALID_ENGINE':
    case 'ERR_RSTREAM_INVALID_TUNNEL':
      return 'invalid';
    default:
      return 'connect';
  }
}
