// Joins an engine connection and a target socket until both have closed. An end on one side ends the other side's output
// and nothing more; a failure on one side lets what it had sent before arrive, then aborts the other side, whose last bytes
// are never taken for the end.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../common/clock.ts';
import { lastBytes } from '../rstream/last-bytes.ts';
import type { SocketTable } from '../rstream/socket-table.ts';
import type { StallWatch } from '../rstream/stall-watch.ts';
import type { EngineConnection } from '../rstream/transport.ts';
import type { Pump } from './pump.ts';

export interface RelayOptions {
  readonly engine: EngineConnection;
  readonly target: Socket;
  readonly toTarget: Pump;
  /** Must be where the target's reads go already. */
  readonly toEngine: Pump;
  readonly table: SocketTable;
  readonly stalls: StallWatch;
  readonly clock: Clock;
  /** Cuts both sides. */
  readonly signal: AbortSignal;
}

export type RelayEnd =
  | { readonly cause: 'ended' }
  | { readonly cause: 'engine' | 'target'; readonly error: Error | undefined }
  | { readonly cause: 'cut' };

/** Resolves when both sides are closed. Never rejects. */
export function relay(options: RelayOptions): Promise<RelayEnd> {
  return new Promise((resolve) => new Relay(options, resolve).start());
}

class Relay {
  readonly #options: RelayOptions;
  readonly #resolve: (end: RelayEnd) => void;
  readonly #onAbort = () => this.#cut();
  #end: RelayEnd = { cause: 'ended' };
  #open = 2;
  #unwatch: ReadonlyArray<() => void> = [];

  constructor(options: RelayOptions, resolve: (end: RelayEnd) => void) {
    this.#options = options;
    this.#resolve = resolve;
  }

  start(): void {
    const { engine, target, toTarget, toEngine, stalls, signal } = this.#options;
    this.#watch('engine', engine.stream, () => this.#afterLastBytes(target, toTarget, () => reset(target)));
    this.#watch('target', target, () => this.#afterLastBytes(engine.stream, toEngine, () => engine.reset()));
    toTarget.start(engine.stream, target);
    toEngine.start(target, engine.stream);
    this.#unwatch = [
      stalls.add({ source: engine.stream, sink: target }),
      stalls.add({ source: target, sink: engine.stream }),
    ];

    signal.addEventListener('abort', this.#onAbort, { once: true });
    engine.readInto(toTarget);
    engine.stream.resume();
    target.resume();
    if (signal.aborted) this.#cut();
  }

  #watch(side: 'engine' | 'target', stream: Duplex, failed: () => void): void {
    let failure: Error | undefined;
    const onError = (error: Error) => {
      failure ??= error;
    };
    const onClose = () => {
      stream.off('error', onError);
      if (!(stream.readableEnded && stream.writableFinished) || failure) {
        if (this.#end.cause === 'ended') this.#end = { cause: side, error: failure };
        failed();
      }
      this.#open -= 1;
      if (this.#open === 0) this.#finish();
    };
    stream.on('error', onError);
    if (stream.closed) queueMicrotask(onClose);
    else stream.once('close', onClose);
  }

  #afterLastBytes(stream: Duplex, pump: Pump, cut: () => void): void {
    const { table, clock } = this.#options;
    void lastBytes({ stream, unwritten: () => !pump.drained, table, clock }).then(cut);
  }

  #cut(): void {
    this.#end = { cause: 'cut' };
    reset(this.#options.target);
    this.#options.engine.reset();
  }

  #finish(): void {
    const { toTarget, toEngine, signal } = this.#options;
    signal.removeEventListener('abort', this.#onAbort);
    for (const unwatch of this.#unwatch) unwatch();
    toTarget.stop();
    toEngine.stop();
    this.#resolve(this.#end);
  }
}

/** An abort the other end can tell from an end. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
