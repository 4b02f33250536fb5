// Mode auto: the first choice gets a head start, the second follows when that fails or the time is up, and the first of the two
// to connect is used from then on, until it fails: then the next control channel chooses anew. What an engine says over it (a
// refused token) never leads to the other one.

import type { Clock } from '../common/clock.ts';
import { sleep } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { TransportError } from './errors.ts';
import type { ConnectTarget, EngineConnection, Transport } from './transport.ts';

export interface AutoTransportOptions {
  readonly first: Transport;
  /** Asked for when it is first needed, for what it loads; undefined when there is none on this machine. */
  readonly second: () => Transport | undefined;
  /** How long the second waits for the first, unless that fails sooner. */
  readonly headStartMs: number;
  readonly clock: Clock;
}

export class AutoTransport implements Transport {
  readonly clientCertificate: boolean;
  readonly #options: AutoTransportOptions;
  #second: Transport | undefined;
  #pinned: Transport | undefined;
  #failed = false;

  constructor(options: AutoTransportOptions) {
    this.#options = options;
    this.clientCertificate = options.first.clientCertificate;
  }

  connect(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    if (target.control && this.#failed) this.#pinned = undefined;
    this.#failed = false;
    return this.#pinned ? this.#again(this.#pinned, target, signal) : this.#race(target, signal);
  }

  close(): void {
    this.#options.first.close();
    this.#second?.close();
  }

  async #again(pinned: Transport, target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    try {
      return await pinned.connect(target, signal);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async #race(target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    const { first } = this.#options;
    const won = new AbortController();
    const inTime = AbortSignal.any([signal, won.signal]);
    const leading = first.connect(target, inTime);
    const led = leading.then((connection) => ({ connection, transport: first }));
    const following = this.#headStart(leading, inTime).then(async () => {
      this.#second ??= this.#options.second();
      if (!this.#second) return await led;
      return { connection: await this.#second.connect(target, inTime), transport: this.#second };
    });
    const attempts = [led, following];
    try {
      const winner = await Promise.any(attempts);
      this.#pinned ??= winner.transport;
      for (const attempt of attempts)
        attempt.then(
          (other) => discard(other, winner),
          () => {},
        );
      return winner.connection;
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const errors = new Set<unknown>(cause instanceof AggregateError ? cause.errors : [cause]);
      throw new TransportError([...errors].map(messageOf).join('; '), { cause });
    } finally {
      won.abort(new TransportError('the other transport was faster'));
    }
  }

  /** Resolves once the first attempt has failed or had its time; rejects when the race is over. */
  async #headStart(leading: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const { headStartMs, clock } = this.#options;
    const failed = leading.then(
      () => new Promise<never>(() => {}),
      () => {},
    );
    await Promise.race([failed, sleep(clock, headStartMs, signal)]);
    signal.throwIfAborted();
  }
}

function discard(other: { connection: EngineConnection }, winner: { connection: EngineConnection }): void {
  if (other.connection !== winner.connection) other.connection.stream.destroy();
}
