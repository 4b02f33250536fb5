// Dial-backs of one control channel: so many at a time, so many waiting, and an error for each request beyond, or for which
// there is no room, which never harms the channel. Every request gets exactly one answer, unless the channel ends first.

import type { ProxyConnReq } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { ClientLimits, ControlObserver, HasRoom } from './client-types.ts';
import { RstreamError, type RstreamErrorCode, TunnelClosedError } from './errors.ts';
import type { ProxiedStream } from './stream.ts';
import { type ClientTunnel, destroyStream } from './tunnel.ts';

/** Codes of the errors an agent answers with: the request makes no sense here, or it cannot be served right now. */
export const ANSWER = { invalidStream: 4000, unavailable: 6000 } as const;

export interface DialBackQueueOptions {
  readonly limits: Pick<ClientLimits, 'activeDialBacks' | 'queuedDialBacks'>;
  readonly clock: Clock;
  readonly observer: ControlObserver;
  readonly hasRoom?: HasRoom | undefined;
  readonly dial: (tunnel: ClientTunnel, request: ProxyConnReq, signal: AbortSignal) => Promise<ProxiedStream>;
  /** Sends ProxyConnRsp. */
  readonly answer: (streamId: string, error?: { readonly number: number; readonly message: string }) => void;
}

interface Job {
  readonly tunnel: ClientTunnel;
  readonly request: ProxyConnReq;
  readonly since: number;
}

export class DialBackQueue {
  readonly #options: DialBackQueueOptions;
  readonly #queue: Job[] = [];
  readonly #stop = new AbortController();
  readonly #perTunnel = new Map<ClientTunnel, number>();
  readonly #idle = new Map<ClientTunnel, PromiseWithResolvers<void>>();
  #active = 0;

  constructor(options: DialBackQueueOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#queue.length;
  }

  add(tunnel: ClientTunnel, request: ProxyConnReq): void {
    if (this.#stop.signal.aborted) return;
    const { limits, clock } = this.#options;
    const job = { tunnel, request, since: clock.now() };
    if (this.#active < limits.activeDialBacks) {
      this.#start(this.#count(job));
      return;
    }
    if (this.#queue.length < limits.queuedDialBacks) {
      this.#queue.push(this.#count(job));
      return;
    }
    this.#refuse(job, 'ERR_RSTREAM_CONTROL_OVERLOAD', 'the request queue is full');
  }

  /** Resolves when no request of this tunnel is queued or under way. */
  idle(tunnel: ClientTunnel): Promise<void> {
    if (!this.#perTunnel.has(tunnel)) return Promise.resolve();
    const waiting = this.#idle.get(tunnel) ?? Promise.withResolvers<void>();
    this.#idle.set(tunnel, waiting);
    return waiting.promise;
  }

  /** Forgets what is queued and aborts what is under way; nothing is answered any more. */
  close(): void {
    this.#stop.abort(new RstreamError('ERR_RSTREAM_CONTROL_CLOSED', 'the control channel is closed'));
    for (const job of this.#queue.splice(0)) this.#uncount(job);
  }

  #start(job: Job): void {
    if (this.#options.hasRoom?.(this.#active) === false) {
      this.#uncount(job);
      this.#refuse(job, 'ERR_RSTREAM_NO_ROOM', 'the client has no memory for another stream');
      return;
    }
    this.#active += 1;
    this.#run(job).finally(() => {
      this.#active -= 1;
      this.#uncount(job);
      this.#startNext();
    });
  }

  #startNext(): void {
    while (this.#active < this.#options.limits.activeDialBacks) {
      const next = this.#queue.shift();
      if (!next) return;
      this.#start(next);
    }
  }

  #refuse(job: Job, code: RstreamErrorCode, message: string): void {
    this.#report(job, new RstreamError(code, message));
    this.#options.answer(job.request.streamId, { number: ANSWER.unavailable, message });
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { dial, answer } = this.#options;
    const { tunnel, request } = job;
    try {
      const stream = await dial(tunnel, request, this.#stop.signal);
      this.#deliver(job, stream);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#report(job, error);
      const refused = error instanceof RstreamError && invalid.has(error.code);
      const number = refused ? ANSWER.invalidStream : ANSWER.unavailable;
      answer(request.streamId, { number, message: messageOf(error) });
    }
  }

  #deliver({ tunnel, request, since }: Job, stream: ProxiedStream): void {
    const refusal = this.#stop.signal.aborted ? 'the control channel is closed' : tunnel.deliver(stream);
    if (refusal !== undefined) {
      destroyStream(stream);
      throw new TunnelClosedError(tunnel.id, refusal);
    }
    this.#report({ tunnel, request, since });
    this.#options.answer(request.streamId);
  }

  #report({ tunnel, request: { streamId }, since }: Job, error?: unknown): void {
    const outcome = { tunnelId: tunnel.id, streamId, ms: this.#options.clock.now() - since };
    this.#options.observer.dialBack?.(error === undefined ? outcome : { ...outcome, error });
  }

  #count(job: Job): Job {
    this.#perTunnel.set(job.tunnel, (this.#perTunnel.get(job.tunnel) ?? 0) + 1);
    return job;
  }

  #uncount({ tunnel }: Job): void {
    const left = (this.#perTunnel.get(tunnel) ?? 1) - 1;
    if (left > 0) {
      this.#perTunnel.set(tunnel, left);
      return;
    }
    this.#perTunnel.delete(tunnel);
    this.#idle.get(tunnel)?.resolve();
    this.#idle.delete(tunnel);
  }
}

const invalid: ReadonlySet<string> = new Set([
  'ERR_RSTREAM_AUTH_REQUIRED',
  'ERR_RSTREAM_INVALID_ENGINE',
  'ERR_RSTREAM_TUNNEL_CLOSED',
  'ERR_RSTREAM_INVALID_TUNNEL',
]);
