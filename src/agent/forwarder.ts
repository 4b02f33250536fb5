// Carries every stream the tunnel delivers to the Service. Streams belong to no session: they outlive the control channel
// they came by, until they end or are cut. Their number is bounded.

import { TLSSocket } from 'node:tls';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logging.ts';
import { SocketTable } from '../rstream/socket-table.ts';
import { StallWatch } from '../rstream/stall-watch.ts';
import type { ByteStream, PacketStream, ProxiedStream } from '../rstream/stream.ts';
import { Gather } from './gather.ts';
import { idleDeadline } from './idle-deadline.ts';
import type { AgentMetrics } from './metrics.ts';
import { Pump } from './pump.ts';
import { type RelayEnd, relay } from './relay.ts';
import { seldom } from './seldom.ts';
import { SlabPool } from './slab-pool.ts';
import { dialTarget, type TargetAddress, unreachable } from './target.ts';
import type { TargetHealth } from './target-health.ts';
import { udpSession } from './udp-session.ts';
import { watchVisitor } from './visitor-watch.ts';

export interface ForwarderOptions {
  readonly target: TargetAddress;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
  readonly health: TargetHealth;
  /** Streams at one time; more are refused. Default 10 000. */
  readonly maxStreams?: number;
  /** Time without a single byte either way that ends a stream; default a day. Dead peers are noticed long before. */
  readonly idleMs?: number;
}

const dialTimeoutMs = 10_000;

/** Silence that ends a flow of packets. */
const udpIdleMs = 120_000;

/** One warning a minute says that streams are being refused. */
const limitQuietMs = 60_000;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #pool = new SlabPool();
  readonly #gather = new Gather(this.#pool);
  readonly #table: SocketTable;
  readonly #stalls: StallWatch;
  readonly #streams = new Set<AbortController>();
  readonly #warnsOfLimit: () => boolean;
  #idle: Array<() => void> = [];
  #closed = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#table = new SocketTable(options.clock);
    this.#stalls = new StallWatch(options.clock);
    this.#warnsOfLimit = seldom(options.clock, limitQuietMs);
  }

  get active(): number {
    return this.#streams.size;
  }

  /** Resolves when no stream is left. */
  async idle(): Promise<void> {
    if (this.#streams.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Cuts every stream, and those still to come. */
  cut(): void {
    this.#closed = true;
    for (const controller of this.#streams) controller.abort(new Error('the agent is shutting down'));
  }

  /** Never throws and never rejects; resolves when the stream has ended. */
  async forward(stream: ProxiedStream): Promise<void> {
    const { metrics, log, maxStreams = 10_000 } = this.#options;
    if (this.#closed) return abandon(stream);
    if (this.#streams.size >= maxStreams) {
      metrics.streamFailures.inc({ cause: 'limit' });
      const level = this.#warnsOfLimit() ? 'warn' : 'debug';
      log[level](
        { stream: stream.id, cause: 'limit', limit: maxStreams },
        'refused a stream: too many at one time',
      );
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
      if (this.#streams.size === 0) this.#becomeIdle();
    }
  }

  #becomeIdle(): void {
    this.#pool.trim();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #carry(stream: ByteStream, controller: AbortController): Promise<void> {
    const { metrics, clock, idleMs = 86_400_000 } = this.#options;
    const pool = this.#pool;
    let idle = false;
    const deadline = idleDeadline(clock, idleMs, () => {
      idle = true;
      controller.abort(new Error(`nothing moved for ${idleMs} ms`));
    });
    const counted = (count: (bytes: number) => void) => (bytes: number) => {
      deadline.moved();
      count(bytes);
    };
    const engine = stream.connection;
    const toEngine = new Pump({
      pool,
      count: counted(metrics.countToEngine),
      sinkCopies: engine.stream instanceof TLSSocket,
    });
    const toTarget = new Pump({ pool, gather: this.#gather, count: counted(metrics.countToTarget) });
    try {
      const target = await this.#dial(stream, toEngine, controller);
      if (!target) {
        toEngine.stop();
        engine.reset();
        return;
      }
      const { signal } = controller;
      const shared = { table: this.#table, stalls: this.#stalls, clock };
      const end = await relay({ engine, target, toTarget, toEngine, ...shared, signal });
      this.#ended(stream, end, idle);
    } finally {
      deadline.cancel();
    }
  }

  #ended({ id }: ByteStream, end: RelayEnd, idle: boolean): void {
    const { metrics, log } = this.#options;
    if (end.cause === 'ended') return void log.debug({ stream: id }, 'a stream ended');
    const cause = idle ? 'idle' : end.cause;
    metrics.streamFailures.inc({ cause });
    const error = end.cause === 'cut' ? undefined : end.error;
    log.debug({ stream: id, cause, ...(error && { error }) }, 'a stream was cut');
  }

  async #carryPackets({ id, packets }: PacketStream, controller: AbortController): Promise<void> {
    const { target, clock, metrics, log } = this.#options;
    try {
      await udpSession({
        target,
        packets,
        clock,
        idleMs: udpIdleMs,
        countToTarget: metrics.countToTarget,
        countToEngine: metrics.countToEngine,
        dropped: () => metrics.drops.inc(),
        reached: (refusal) => this.#heard(id, refusal),
        signal: controller.signal,
      });
      log.debug({ stream: id }, 'a flow ended');
    } catch (error) {
      this.#notDialled(id, unreachable(target, error));
    }
  }

  /** Of a flow of packets, which has no connect that would tell. */
  #heard(stream: string, refusal: Error | undefined): void {
    const { target, health } = this.#options;
    if (refusal) this.#unreachable(stream, unreachable(target, refusal));
    else health.succeeded();
  }

  #notDialled(stream: string, error: unknown): void {
    this.#options.metrics.streamFailures.inc({ cause: 'dial' });
    this.#unreachable(stream, error);
  }

  /** Said aloud until the target is known to be unreachable; then once per stream would only be noise. */
  #unreachable(stream: string, error: unknown): void {
    const { health, log } = this.#options;
    const known = health.state?.reachable === false;
    log[known ? 'debug' : 'warn']({ stream, cause: 'dial', error }, 'could not reach the target');
    health.failed(messageOf(error));
  }

  /** Undefined when the target cannot be reached, or the visitor left meanwhile. */
  async #dial(stream: ByteStream, sink: Pump, controller: AbortController) {
    const { target, clock, metrics, health, log } = this.#options;
    const engine = stream.connection.stream;
    const started = clock.now();
    const left = () => controller.abort(new Error('the visitor left'));
    const unwatch = watchVisitor(engine, clock, left);
    try {
      const { signal } = controller;
      const socket = await dialTarget({ target, sink, clock, timeoutMs: dialTimeoutMs, signal });
      metrics.targetDialSeconds.observe((clock.now() - started) / 1000);
      health.succeeded();
      return socket;
    } catch (error) {
      if (controller.signal.aborted) {
        metrics.streamFailures.inc({ cause: 'cut' });
        log.debug({ stream: stream.id, cause: 'cut', error }, 'gave up dialling the target');
        return undefined;
      }
      this.#notDialled(stream.id, error);
      return undefined;
    } finally {
      unwatch();
    }
  }
}

function abandon(stream: ProxiedStream): void {
  if (stream.kind === 'packets') stream.packets.close();
  else stream.connection.reset();
}
