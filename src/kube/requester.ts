// Sends one request of a client: waits for the rate limit, asks the gate at the send, counts the answer, and turns error
// statuses into ApiError. Tries again once where that is safe: after a 401, or when a connection broke under a repeatable call.

import type { IncomingMessage } from 'node:http';
import type { CallOptions, KubeClientOptions } from './client-options.ts';
import { errorOf, parseBody } from './decode.ts';
import { ApiError, KubeError, kubeErrorCodes } from './errors.ts';
import { type HttpCall, HttpTransport, type Lane } from './http.ts';

export interface Outgoing {
  readonly method: HttpCall['method'];
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly accept?: string | undefined;
  readonly contentType?: string;
  readonly body?: unknown;
  readonly call?: CallOptions | undefined;
  /** Sending it twice ends in the same state, so a connection that broke may be tried again once. */
  readonly repeatable?: boolean;
}

const defaultTimeoutMs = 30_000;
const defaultMaxBodyBytes = 128 * 1024 * 1024;

export class Requester {
  readonly #options: KubeClientOptions;
  readonly #transport: HttpTransport;
  readonly #lane: Lane;

  constructor(options: KubeClientOptions, transport = new HttpTransport(options), lane: Lane = 'calls') {
    this.#options = options;
    this.#transport = transport;
    this.#lane = lane;
  }

  /** The same connections under other options or in another lane. */
  with(options: Partial<KubeClientOptions>, lane = this.#lane): Requester {
    return new Requester({ ...this.#options, ...options }, this.#transport, lane);
  }

  get clock(): KubeClientOptions['clock'] {
    return this.#options.clock;
  }

  close(): void {
    this.#transport.close();
  }

  /** The JSON object answered. Sent once more after a 401 or, when repeatable, after a connection that broke. */
  async json(outgoing: Outgoing): Promise<Readonly<Record<string, unknown>>> {
    try {
      return await this.#once(outgoing);
    } catch (error) {
      const unauthorized = error instanceof ApiError && error.status === 401;
      const broken = error instanceof KubeError && error.code === kubeErrorCodes.connection;
      if (unauthorized && this.#options.credentials.invalidate) this.#options.credentials.invalidate();
      else if (!broken || !(outgoing.method === 'GET' || outgoing.repeatable)) throw error;
      return await this.#once(outgoing);
    }
  }

  /** The answer to a watch, once its headers are there; whatever its status, the caller reads it. */
  async open(outgoing: Outgoing): Promise<IncomingMessage> {
    const { method } = outgoing;
    const message = await this.#counted(
      method,
      this.#transport.open({ ...this.#call(outgoing), lane: 'streams' }),
    );
    this.#answered(method, message.statusCode ?? 0);
    if (message.statusCode === 401) this.#options.credentials.invalidate?.();
    return message;
  }

  async #once(outgoing: Outgoing): Promise<Readonly<Record<string, unknown>>> {
    const { method, path, call } = outgoing;
    await this.#options.limiter?.acquire(call?.signal);
    const answer = await this.#counted(method, this.#transport.call(this.#call(outgoing)));
    this.#answered(method, answer.status);
    if (answer.status >= 400) throw errorOf(answer);
    return parseBody(answer.body, `${method} ${path}`);
  }

  #answered(method: string, status: number): void {
    this.#options.metrics?.request(method, String(status), this.#transport.host);
  }

  /** A request without an answer counts too, as client-go has it; one that the gate kept back was never sent. */
  async #counted<R>(method: string, sent: Promise<R>): Promise<R> {
    try {
      return await sent;
    } catch (error) {
      const isSent = !(error instanceof KubeError && error.code === kubeErrorCodes.gated);
      if (isSent) this.#options.metrics?.request(method, '<error>', this.#transport.host);
      throw error;
    }
  }

  #call(outgoing: Outgoing): HttpCall {
    const { method, path, query = {}, accept = 'application/json', contentType, body, call } = outgoing;
    const { timeoutMs = defaultTimeoutMs, maxBodyBytes = defaultMaxBodyBytes, gate } = this.#options;
    return {
      method,
      path: `${path}${queryOf(query)}`,
      headers: contentType === undefined ? { accept } : { accept, 'content-type': contentType },
      body: body === undefined ? undefined : JSON.stringify(body),
      lane: this.#lane,
      timeoutMs: call?.timeoutMs ?? timeoutMs,
      maxBodyBytes,
      signal: call?.signal,
      gate: method === 'GET' ? undefined : gate,
    };
  }
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
