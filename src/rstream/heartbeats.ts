// Heartbeats and liveness of one control channel. Negotiated: numbered heartbeats, acknowledged by the engine, and an end
// when nothing arrives for the agreed time. Legacy (the engine declined): empty heartbeats, and an end only when one cannot
// even be written. Off: none, and any heartbeat received is an error.

import type { ControlChannelLiveness, Heartbeat } from '../../generated/protobuf/rstream_pb.js';
import type { Clock, Timer } from '../common/clock.ts';
import { ControlLivenessError, ProtocolError, RstreamError, TransportError } from './errors.ts';

export const DEFAULT_HEARTBEAT_INTERVAL_MS = 5_000;
const maxTimeoutMs = 900_000;
const legacyWriteTimeoutMs = { least: 60_000, most: 900_000 };

export type HeartbeatMode =
  | { readonly kind: 'off' }
  | { readonly kind: 'legacy'; readonly intervalMs: number }
  | { readonly kind: 'negotiated'; readonly intervalMs: number; readonly timeoutMs: number };

/** Checks a configured interval; throws ERR_RSTREAM_INVALID_CONFIG. */
export function checkHeartbeatInterval(intervalMs: number): void {
  if (Number.isInteger(intervalMs) && intervalMs >= 1_000 && intervalMs <= 300_000) return;
  throw new RstreamError(
    'ERR_RSTREAM_INVALID_CONFIG',
    'the heartbeat interval must be a whole number of milliseconds from 1000 to 300000',
  );
}

/** What the engine's answer means for a request with this interval (or `off`). */
export function negotiateLiveness(
  requested: number | 'off',
  answer: ControlChannelLiveness | undefined,
): HeartbeatMode | ProtocolError {
  if (requested === 'off') {
    return answer ? new ProtocolError('the engine returned liveness nobody asked for') : { kind: 'off' };
  }
  if (!answer) return { kind: 'legacy', intervalMs: requested };
  const { heartbeatIntervalMs: intervalMs, heartbeatTimeoutMs: timeoutMs } = answer;
  if (intervalMs !== requested || timeoutMs < intervalMs || timeoutMs > maxTimeoutMs) {
    return new ProtocolError(
      `the engine answered a heartbeat interval of ${requested} ms with ${intervalMs}/${timeoutMs} ms`,
    );
  }
  return { kind: 'negotiated', intervalMs, timeoutMs };
}

export interface HeartbeatsOptions {
  readonly mode: HeartbeatMode;
  readonly clock: Clock;
  /** Writes one heartbeat; calls back when the kernel took it. */
  readonly send: (sequence: bigint, written: () => void) => void;
  /** Called at most once: the channel must end with this error. */
  readonly expired: (error: RstreamError) => void;
}

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  #sent = 0n;
  #acknowledged = 0n;
  #lastFrameAt = 0;
  #unwrittenSince: number | undefined;
  #beat: Timer | undefined;
  #watch: Timer | undefined;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Sends the first heartbeat at once. */
  start(): void {
    const { mode, clock } = this.#options;
    if (mode.kind === 'off') return;
    this.#lastFrameAt = clock.now();
    if (mode.kind === 'negotiated') this.#watchAfter(mode.timeoutMs, mode.timeoutMs);
    this.#send(mode);
  }

  stop(): void {
    this.#beat?.cancel();
    this.#watch?.cancel();
  }

  /** Any frame, whatever it holds, proves the engine alive. */
  frameHandled(): void {
    this.#lastFrameAt = this.#options.clock.now();
  }

  /** Undefined when the heartbeat is a valid one. */
  received(heartbeat: Heartbeat): ProtocolError | undefined {
    const { sequence, acknowledgement } = heartbeat;
    const { kind } = this.#options.mode;
    if (kind === 'off') return new ProtocolError('the engine sent a heartbeat though heartbeats are off');
    if (kind === 'legacy') {
      const empty = sequence === 0n && acknowledgement === 0n;
      return empty
        ? undefined
        : new ProtocolError('the engine numbered a heartbeat without having agreed to');
    }
    if (sequence !== 0n || acknowledgement <= this.#acknowledged || acknowledgement > this.#sent) {
      return new ProtocolError(`the engine acknowledged heartbeat ${acknowledgement} out of turn`);
    }
    this.#acknowledged = acknowledgement;
    return undefined;
  }

  #send(mode: Exclude<HeartbeatMode, { kind: 'off' }>): void {
    const { clock, send } = this.#options;
    if (mode.kind === 'legacy' && this.#stuck(mode.intervalMs)) return;
    this.#sent += 1n;
    this.#unwrittenSince ??= clock.now();
    this.#beat = clock.after(mode.intervalMs, () => this.#send(mode));
    send(mode.kind === 'negotiated' ? this.#sent : 0n, () => {
      this.#unwrittenSince = undefined;
    });
  }

  #stuck(intervalMs: number): boolean {
    const { clock, expired } = this.#options;
    if (this.#unwrittenSince === undefined) return false;
    const patience = Math.min(
      Math.max(3 * intervalMs, legacyWriteTimeoutMs.least),
      legacyWriteTimeoutMs.most,
    );
    if (clock.now() - this.#unwrittenSince < patience) return false;
    this.stop();
    expired(new TransportError(`no heartbeat could be written for ${patience} ms`));
    return true;
  }

  #watchAfter(delayMs: number, timeoutMs: number): void {
    const { clock, expired } = this.#options;
    this.#watch = clock.after(delayMs, () => {
      const left = this.#lastFrameAt + timeoutMs - clock.now();
      if (left > 0) return this.#watchAfter(left, timeoutMs);
      this.stop();
      expired(new ControlLivenessError(timeoutMs));
    });
  }
}
