// Asks an agent for a connection and pairs its dial-back by stream id and single-use secret. Bounded: at most 256 requests
// of one client are under way and 1,024 wait; each has a deadline that begins when it is sent.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { ErrorCode, type ProxyReq } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { parseIpAddress } from '../rstream/ip-address.ts';
import type { Payload } from '../rstream/messages.ts';
import { atCapacity, Refusal, unauthorized, unavailable } from './errors.ts';
import type { FaultSettings } from './faults.ts';
import type { Tunnel } from './tunnel.ts';

const maxUnderWay = 256;
const maxWaiting = 1024;

/** The agent did not dial back in time. */
export class DialBackTimeout extends Refusal {
  constructor(timeoutMs: number) {
    super(ErrorCode.SERVICE_UNAVAILABLE, `the agent did not dial back within ${timeoutMs} ms`);
  }
}

export interface OpenedStream {
  readonly id: string;
  /** Paused; what the agent sent behind its ProxyReq is the first thing it reads. */
  readonly stream: Duplex;
}

interface Pending {
  readonly id: string;
  readonly secret: string;
  readonly ownerId: string;
  /** What the request is for: a dialled-back stream, or just the agent's yes. */
  readonly wants: 'stream' | 'answer';
  settle(result: Duplex | 'answered' | Refusal): void;
}

interface Slots {
  underWay: number;
  readonly waiting: (() => void)[];
}

export interface StreamBrokerOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly faults: () => FaultSettings;
}

export class StreamBroker {
  readonly #options: StreamBrokerOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #slots = new Map<string, Slots>();

  constructor(options: StreamBrokerOptions) {
    this.#options = options;
  }

  /** Streams asked for and not there yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A stream to the tunnel's agent. Rejects with a Refusal, or with the signal's reason when the visitor gives up. */
  async open(tunnel: Tunnel, sourceIp: string | undefined, signal?: AbortSignal): Promise<OpenedStream> {
    await this.#enter(tunnel.owner.id);
    try {
      signal?.throwIfAborted();
      const id = randomBytes(12).toString('hex');
      const stream = await this.#request(tunnel, { id, wants: 'stream' }, sourceIp, signal);
      if (stream === 'answered') throw unavailable('the agent did not dial back');
      tunnel.streams.add(stream);
      stream.once('close', () => tunnel.streams.delete(stream));
      return { id, stream };
    } finally {
      this.#leave(tunnel.owner.id);
    }
  }

  /** Tells the agent of a stream that needs no dial-back; resolves with its yes. Rejects as `open` does. */
  async announce(
    tunnel: Tunnel,
    id: string,
    sourceIp: string | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#enter(tunnel.owner.id);
    try {
      signal?.throwIfAborted();
      await this.#request(tunnel, { id, wants: 'answer' }, sourceIp, signal);
    } finally {
      this.#leave(tunnel.owner.id);
    }
  }

  /** The agent accepted a stream: news only where no dial-back is to follow. */
  answered(ownerId: string, streamId: string): void {
    const pending = this.#pending.get(streamId);
    if (pending?.ownerId === ownerId && pending.wants === 'answer') pending.settle('answered');
  }

  /** Expects a dial-back that another engine asked for: id and secret are shared out of band. */
  async expect(id: string, secret: string): Promise<Duplex> {
    const stream = await this.#await({ id, secret, ownerId: '', wants: 'stream' });
    if (stream === 'answered') throw unavailable('no agent dialled back');
    return stream;
  }

  /** The waiting request a ProxyReq answers, which can then not be taken again. Throws 4000 or 1000. */
  take(request: ProxyReq): (stream: Duplex) => void {
    const pending = this.#pending.get(request.streamId);
    if (pending?.wants !== 'stream')
      throw new Refusal(ErrorCode.INVALID_STREAM, 'no such stream is waiting for a dial-back');
    if (!sameSecret(pending.secret, request.clientDetails?.token ?? '')) {
      throw unauthorized('the secret does not belong to this stream');
    }
    this.#pending.delete(pending.id);
    return pending.settle;
  }

  /** The agent said it cannot serve the stream. Ids of other clients are left alone. */
  fail(ownerId: string, streamId: string, message: string): void {
    const pending = this.#pending.get(streamId);
    if (pending?.ownerId === ownerId)
      pending.settle(unavailable(`the agent refused: ${message.slice(0, 300)}`));
  }

  /** A control connection is gone: nobody will answer what was asked on it. */
  failOwner(ownerId: string): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.ownerId === ownerId) pending.settle(unavailable('the agent disconnected'));
    }
  }

  #request(
    tunnel: Tunnel,
    { id, wants }: Pick<Pending, 'id' | 'wants'>,
    sourceIp: string | undefined,
    signal?: AbortSignal,
  ): Promise<Duplex | 'answered'> {
    const secret = randomBytes(16).toString('hex');
    const stream = this.#await({ id, secret, ownerId: tunnel.owner.id, wants }, signal);
    const sent = tunnel.owner.send(this.#message(tunnel, id, secret, sourceIp));
    if (!sent) this.#pending.get(id)?.settle(unavailable('the agent disconnected'));
    return stream;
  }

  #await(key: Omit<Pending, 'settle'>, signal?: AbortSignal): Promise<Duplex | 'answered'> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const settle: Pending['settle'] = (result) => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        this.#pending.delete(key.id);
        result instanceof Refusal ? reject(result) : resolve(result);
      };
      const abort = () => settle(unavailable('the visitor went away'));
      const timer = clock.after(timeoutMs, () => settle(new DialBackTimeout(timeoutMs)));
      signal?.addEventListener('abort', abort, { once: true });
      this.#pending.set(key.id, { ...key, settle });
    });
  }

  #message(tunnel: Tunnel, streamId: string, secret: string, sourceIp: string | undefined): Payload {
    const fault = this.#options.faults().proxyConn;
    const address = sourceIp === undefined ? undefined : parseIpAddress(sourceIp);
    const secrets = { normal: secret, empty: '', absent: undefined };
    const sentSecret = secrets[fault.secret];
    return {
      case: 'proxyConnReq',
      value: {
        tunnelId: fault.tunnelId || tunnel.id,
        streamId: fault.streamId || streamId,
        ...(sentSecret !== undefined && { secret: sentSecret }),
        ...(address && { sourceIp: address }),
        ...(fault.endpoint && { proxyEndpoint: fault.endpoint }),
      },
    };
  }

  #enter(ownerId: string): Promise<void> | undefined {
    const slots = this.#slots.get(ownerId) ?? { underWay: 0, waiting: [] };
    this.#slots.set(ownerId, slots);
    if (slots.underWay < maxUnderWay) {
      slots.underWay += 1;
      return undefined;
    }
    if (slots.waiting.length >= maxWaiting) throw atCapacity('too many streams wait for this agent');
    return new Promise((resolve) => slots.waiting.push(resolve));
  }

  #leave(ownerId: string) {
    const slots = this.#slots.get(ownerId);
    if (!slots) return;
    const next = slots.waiting.shift();
    if (next) return next();
    slots.underWay -= 1;
    if (slots.underWay === 0) this.#slots.delete(ownerId);
  }
}

function sameSecret(expected: string, given: string): boolean {
  const [left, right] = [Buffer.from(expected), Buffer.from(given)];
  return left.length === right.length && timingSafeEqual(left, right);
}
