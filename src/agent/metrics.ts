// The agent's metrics. Counting a read must cost next to nothing, so bytes are plain numbers, copied when scraped.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../common/clock.ts';

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class AgentMetrics {
  readonly registry = new Registry();
  /** Read from the target, on its way to the engine. */
  bytesToEngine = 0;
  /** Read from the engine, on its way to the target. */
  bytesToTarget = 0;
  readonly streamsActive = this.#gauge('rstream_agent_streams_active', 'Streams being carried');
  readonly streams = this.#counter('rstream_agent_streams_total', 'Streams taken from the engine');
  readonly streamFailures = this.#counter('rstream_agent_stream_failures_total', 'Streams that failed', [
    'cause',
  ]);
  readonly reconnects = this.#counter('rstream_agent_reconnects_total', 'Sessions that ended, by cause', [
    'cause',
  ]);
  readonly dialBackSeconds = this.#histogram(
    'rstream_agent_dial_back_seconds',
    'From the request for a stream to its delivery',
  );
  readonly dialBackFailures = this.#counter(
    'rstream_agent_dial_back_failures_total',
    'Streams that could not be dialled back, by cause',
    ['cause'],
  );
  readonly targetDialSeconds = this.#histogram(
    'rstream_agent_target_dial_seconds',
    'Connecting to the Service',
  );
  readonly drops = this.#counter(
    'rstream_agent_packets_dropped_total',
    'Packets that could not be passed on',
  );
  readonly #clock: Clock;
  #onlineSince: number | undefined;
  #drainingSince: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#gauge('rstream_agent_session_up', 'Whether the tunnel is online', () =>
      this.#onlineSince === undefined ? 0 : 1,
    );
    this.#gauge('rstream_agent_session_age_seconds', 'How long the tunnel has been online', () =>
      this.#onlineSince === undefined ? 0 : (clock.now() - this.#onlineSince) / 1000,
    );
    this.#gauge('rstream_agent_drain_seconds', 'How long streams have been draining since SIGTERM', () =>
      this.#drainingSince === undefined ? 0 : (clock.now() - this.#drainingSince) / 1000,
    );
    const metrics = this;
    new Counter({
      name: 'rstream_agent_bytes_total',
      help: 'Bytes carried, by where they go',
      labelNames: ['to'],
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc({ to: 'engine' }, metrics.bytesToEngine);
        this.inc({ to: 'target' }, metrics.bytesToTarget);
      },
    });
  }

  readonly countToEngine = (bytes: number): void => {
    this.bytesToEngine += bytes;
  };

  readonly countToTarget = (bytes: number): void => {
    this.bytesToTarget += bytes;
  };

  online(isOnline: boolean): void {
    if (isOnline) this.#onlineSince ??= this.#clock.now();
    else this.#onlineSince = undefined;
  }

  /** SIGTERM was received. */
  draining(): void {
    this.#drainingSince ??= this.#clock.now();
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, read?: () => number): Gauge {
    const registers = [this.registry];
    if (!read) return new Gauge({ name, help, registers });
    return new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: seconds, registers: [this.registry] });
  }
}
