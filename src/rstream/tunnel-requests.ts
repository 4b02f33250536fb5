// Tunnel requests awaiting their answer, correlated by request id. Bounded; a request given up on is remembered for a while,
// so that a late success can be closed instead of leaking a tunnel on the engine.

import { randomUUID } from 'node:crypto';
import type { OpenTunnelRsp, TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import { ControlClosedError, ProtocolError, RstreamError } from './errors.ts';
import { engineError } from './messages.ts';

export interface TunnelRequestsOptions<T> {
  readonly limit: number;
  /** Makes the tunnel of a success, at once; may throw, which fails the request. */
  readonly opened: (id: string, properties: TunnelProperties) => T;
  /** A success nobody waits for any more. */
  readonly orphaned: (id: string) => void;
}

interface Pending<T> {
  readonly resolve: (tunnel: T) => void;
  readonly reject: (error: unknown) => void;
}

export class TunnelRequests<T> {
  readonly #options: TunnelRequestsOptions<T>;
  readonly #pending = new Map<string, Pending<T>>();
  readonly #abandoned = new Set<string>();

  constructor(options: TunnelRequestsOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Resolves with what `opened` made; `send` gets a fresh request id. Rejects with the signal's reason. */
  open(signal: AbortSignal, send: (requestId: string) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#pending.size >= this.#options.limit) {
        return reject(
          new RstreamError(
            'ERR_RSTREAM_CONTROL_OVERLOAD',
            `${this.#options.limit} tunnel requests are unanswered`,
          ),
        );
      }
      const requestId = randomUUID();
      const onAbort = () => {
        this.#pending.delete(requestId);
        this.#abandon(requestId);
        reject(signal.reason);
      };
      const settled = () => signal.removeEventListener('abort', onAbort);

      send(requestId);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(requestId, {
        resolve: (tunnel) => {
          settled();
          resolve(tunnel);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
    });
  }

  /** Handles an answer; unknown request ids are ignored. */
  answered({ requestId, payload }: OpenTunnelRsp): void {
    const id = payload.case === 'tunnelProperties' ? payload.value.id : undefined;
    if (this.#abandoned.delete(requestId)) {
      if (id?.trim()) this.#options.orphaned(id);
      return;
    }
    const pending = this.#pending.get(requestId);
    if (!pending) return;
    this.#pending.delete(requestId);

    try {
      if (payload.case === 'error') throw engineError(payload.value);
      if (payload.case === undefined)
        throw new ProtocolError('the engine answered a tunnel request with nothing');
      if (!id?.trim()) throw new ProtocolError('the engine opened a tunnel without an id');
      pending.resolve(this.#options.opened(id, payload.value));
    } catch (error) {
      pending.reject(error);
    }
  }

  close(cause: unknown): void {
    for (const { reject } of this.#pending.values()) reject(new ControlClosedError({ cause }));
    this.#pending.clear();
    this.#abandoned.clear();
  }

  #abandon(requestId: string): void {
    this.#abandoned.add(requestId);
    const [oldest] = this.#abandoned;
    if (this.#abandoned.size > this.#options.limit && oldest !== undefined) this.#abandoned.delete(oldest);
  }
}
