// Carries every stream the tunnel delivers to the Service. Streams belong to no session: they outlive the control channel
// they came by, until they end or are cut. Their number is bounded.

import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import type { ByteStream, PacketStream, ProxiedStream } from '../rstream/stream.ts';
import type { AgentMetrics } from './metrics.ts';
import { Pump } from './pump.ts';
import { relay } from './relay.ts';
import { SlabPool } from './slab-pool.ts';
import { dialTarget, type TargetAddress } from './target.ts';
import type { TargetHealth } from './target-health.ts';
import { udpSession } from './udp-session.ts';

export interface ForwarderOptions {
  readonly target: TargetAddress;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
  readonly health: TargetHealth;
  /** Default 10 000. */
  readonly dialTimeoutMs?: number;
  /** Streams at one time; more are refused. Default 10 000. */
  readonly maxStreams?: number;
  /** Silence that ends a flow of packets; default 120 000. */
  readonly udpIdleMs?: number;
}

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #pool = new SlabPool();
  readonly #streams = new Set<AbortController>();
  #idle: Array<() => void> = [];

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#streams.size;
  }

  /** Resolves when no stream is left. */
  async idle(): Promise<void> {
    if (this.#streams.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Cuts every stream. */
  cut(): void {
    for (const controller of this.#streams) controller.abort(new Error('the agent is shutting down'));
  }

  /** Never throws and never rejects; resolves when the stream has ended. */
  async forward(stream: ProxiedStream): Promise<void> {
    const { metrics, log, maxStreams = 10_000 } = this.#options;
    if (this.#streams.size >= maxStreams) {
      metrics.streamFailures.inc({ cause: 'limit' });
      log.warn({ stream: stream.id, limit: maxStreams }, 'refused a stream: too many at one time');
      abandon(stream);
      return;
    }
    const controller = new AbortController();
    this.#streams.add(controller);
    metrics.streams.inc();
    metrics.streamsActive.set(this.#streams.size);
    try {
      if (stream.kind === 'packets') await this.#carryPackets(stream, controller);
      else await this.#carry(stream, controller);
    } catch (error) {
      abandon(stream);
      log.warn({ stream: stream.id, error }, 'lost a stream');
    } finally {
      this.#streams.delete(controller);
      metrics.streamsActive.set(this.#streams.size);
      if (this.#streams.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #carry(stream: ByteStream, controller: AbortController): Promise<void> {
    const { metrics, clock, log } = this.#options;
    const pool = this.#pool;
    const toEngine = new Pump({ pool, count: metrics.countToEngine });
    const toTarget = new Pump({ pool, gather: true, count: metrics.countToTarget });
    const engine = stream.connection;
    const target = await this.#dial(stream, toEngine, controller);
    if (!target) {
      toEngine.stop();
      engine.reset();
      return;
    }
    const end = await relay({ engine, target, toTarget, toEngine, clock, signal: controller.signal });
    if (end.cause === 'ended') return log.debug({ stream: stream.id }, 'a stream ended');
    metrics.streamFailures.inc({ cause: end.cause });
    const error = end.cause === 'cut' ? undefined : end.error;
    log.debug({ stream: stream.id, cause: end.cause, ...(error && { error }) }, 'a stream was cut');
  }

  async #carryPackets({ id, packets }: PacketStream, controller: AbortController): Promise<void> {
    const { target, clock, metrics, health, log, udpIdleMs = 120_000 } = this.#options;
    try {
      await udpSession({
        target,
        packets,
        clock,
        idleMs: udpIdleMs,
        countToTarget: metrics.countToTarget,
        countToEngine: metrics.countToEngine,
        dropped: () => metrics.drops.inc(),
        signal: controller.signal,
      });
      log.debug({ stream: id }, 'a flow ended');
    } catch (error) {
      metrics.streamFailures.inc({ cause: 'dial' });
      health.failed(messageOf(error));
      log.warn({ stream: id, error }, 'could not reach the target');
    }
  }

  /** Undefined when the target cannot be reached, or the visitor left meanwhile. */
  async #dial(stream: ByteStream, sink: Pump, controller: AbortController) {
    const { target, clock, metrics, health, log, dialTimeoutMs = 10_000 } = this.#options;
    const engine = stream.connection.stream;
    const started = clock.now();
    const onClose = () => controller.abort(new Error('the visitor left'));
    engine.once('close', onClose);
    try {
      if (engine.closed) onClose();
      const { signal } = controller;
      const socket = await dialTarget({ target, sink, clock, timeoutMs: dialTimeoutMs, signal });
      metrics.targetDialSeconds.observe((clock.now() - started) / 1000);
      health.succeeded();
      return socket;
    } catch (error) {
      if (controller.signal.aborted) {
        metrics.streamFailures.inc({ cause: 'cut' });
        log.debug({ stream: stream.id, error }, 'gave up dialling the target');
        return undefined;
      }
      metrics.streamFailures.inc({ cause: 'dial' });
      log.warn({ stream: stream.id, error }, 'could not reach the target');
      health.failed(messageOf(error));
      return undefined;
    } finally {
      engine.off('close', onClose);
    }
  }
}

function abandon(stream: ProxiedStream): void {
  if (stream.kind === 'packets') stream.packets.close();
  else stream.connection.reset();
}
