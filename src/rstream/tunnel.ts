// One tunnel of a control channel, from the engine's yes to its end: a bounded queue of delivered streams, and the two ways
// of letting go (close ends its streams, release does not). The channel does the talking; this keeps the state.

import type { TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import type { Tunnel, TunnelEnd } from './client-types.ts';
import { OperationTimeoutError } from './errors.ts';
import { forwardingAddress } from './forwarding-address.ts';
import type { ProxiedStream } from './stream.ts';

export interface ClientTunnelOptions {
  readonly id: string;
  readonly properties: TunnelProperties;
  readonly clock: Clock;
  readonly unacceptedStreams: number;
  readonly closeMs: number;
  readonly releaseMs: number;
  /** Sends CloseTunnelReq. */
  readonly sendClose: () => void;
  /** The tunnel serves no requests from now on. */
  readonly ended: () => void;
  /** Resolves when no dial-back of this tunnel is under way. */
  readonly dialBacksIdle: () => Promise<void>;
}

export class ClientTunnel implements Tunnel {
  readonly id: string;
  readonly properties: TunnelProperties;
  readonly forwardingAddress: string;
  readonly done: Promise<TunnelEnd>;
  readonly #options: ClientTunnelOptions;
  readonly #waitingStreams: ProxiedStream[] = [];
  readonly #acceptors: ((stream: ProxiedStream | undefined) => void)[] = [];
  readonly #accepted = new Set<ProxiedStream>();
  readonly #answered = Promise.withResolvers<void>();
  #resolveDone: (end: TunnelEnd) => void = () => {};
  #end: TunnelEnd | undefined;
  #closing: Promise<void> | undefined;
  #releasing: Promise<void> | undefined;

  constructor(options: ClientTunnelOptions) {
    this.#options = options;
    this.id = options.id;
    this.properties = options.properties;
    this.forwardingAddress = forwardingAddress(options.properties);
    const { promise, resolve } = Promise.withResolvers<TunnelEnd>();
    this.done = promise;
    this.#resolveDone = resolve;
  }

  accept(): Promise<ProxiedStream | undefined> {
    const stream = this.#waitingStreams.shift();
    if (stream) {
      this.#track(stream);
      return Promise.resolve(stream);
    }
    if (this.#end) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#acceptors.push(resolve));
  }

  /** Hands a stream to whoever accepts; the sentence why not otherwise, and then the stream is still the caller's. */
  deliver(stream: ProxiedStream): string | undefined {
    if (this.#end) return 'the tunnel is closed';
    const acceptor = this.#acceptors.shift();
    if (acceptor) {
      this.#track(stream);
      acceptor(stream);
      return undefined;
    }
    if (this.#waitingStreams.length >= this.#options.unacceptedStreams) {
      return 'the tunnel has too many streams nobody accepted yet';
    }
    this.#waitingStreams.push(stream);
    forgetWhenClosed(stream, () => {
      const at = this.#waitingStreams.indexOf(stream);
      if (at >= 0) this.#waitingStreams.splice(at, 1);
    });
    return undefined;
  }

  close(): Promise<void> {
    if (this.#end) {
      this.closeStreams();
      return Promise.resolve();
    }
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  release(): Promise<void> {
    if (this.#end) return Promise.resolve();
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  /** CloseTunnelRsp arrived. */
  closeAnswered(): void {
    this.#answered.resolve();
    if (this.#closing) this.#finish('closed', { cut: true });
    else if (!this.#releasing) this.#finish('revoked', { cut: false });
  }

  /** The control channel is over; whether accepted streams go with it is the channel's business. */
  channelEnded(): void {
    this.#answered.resolve();
    this.#finish('channel', { cut: false });
  }

  closeStreams(): void {
    for (const stream of this.#accepted) destroyStream(stream);
  }

  async #close(): Promise<void> {
    const { sendClose, closeMs } = this.#options;
    if (!this.#releasing) sendClose();
    if (await this.#answerWithin(closeMs)) return this.#finish('closed', { cut: true });
    throw new OperationTimeoutError('closing the tunnel', closeMs);
  }

  async #release(): Promise<void> {
    const { sendClose, releaseMs, ended, dialBacksIdle } = this.#options;
    if (!this.#closing) sendClose();
    await this.#answerWithin(releaseMs);
    ended();
    await dialBacksIdle();
    this.#finish('released', { cut: false, keepWaiting: true });
  }

  /** Whether CloseTunnelRsp (or the end of the channel) came in time. */
  #answerWithin(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, () => resolve(false));
      this.#answered.promise.then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #finish(end: TunnelEnd, { cut, keepWaiting }: { cut: boolean; keepWaiting?: boolean }): void {
    if (!this.#end) {
      this.#end = end;
      this.#options.ended();
      this.#resolveDone(end);
    }
    if (cut) this.closeStreams();
    if (!keepWaiting) for (const stream of this.#waitingStreams.splice(0)) destroyStream(stream);
    for (const acceptor of this.#acceptors.splice(0)) acceptor(undefined);
  }

  #track(stream: ProxiedStream): void {
    this.#accepted.add(stream);
    forgetWhenClosed(stream, () => this.#accepted.delete(stream));
  }
}

/** Closes whatever carries the stream. */
export function destroyStream(stream: ProxiedStream): void {
  if (stream.kind === 'packets') stream.packets.close();
  else stream.connection.stream.destroy();
}

function forgetWhenClosed(stream: ProxiedStream, forget: () => void): void {
  if (stream.kind === 'packets') stream.packets.closed.then(forget);
  else if (stream.connection.stream.closed) forget();
  else stream.connection.stream.once('close', forget);
}
