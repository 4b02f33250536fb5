// The connections to one API server: keep-alive pools on node:https, a deadline on every call, bounded bodies, and a gate
// that is asked in the same turn in which the request's bytes are written, when the connection is up and nothing can delay them.

import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../common/clock.ts';
import { codeOf, messageOf } from '../common/errors.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import type { Credentials, TlsMaterial } from './credentials.ts';
import { KubeError, kubeErrorCodes } from './errors.ts';

/** Answers undefined to let a request out, or a sentence saying why it must not be sent. */
export type WriteGate = () => string | undefined;

/** calls share a bounded pool; streams (watches) and reserved calls (leases) never wait for a free connection. */
export type Lane = 'calls' | 'streams' | 'reserved';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the base URL, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly lane: Lane;
  /** Until the whole answer is read; for streams, until its headers are. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly gate?: WriteGate | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

export interface HttpTransportOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Connections of the `calls` lane; default 64. */
  readonly maxConnections?: number | undefined;
  readonly userAgent?: string | undefined;
}

/** The API server closes idle connections after 90 s; ours go first, so that no request meets a closing one. */
const idleMs = 45_000;

type Agents = Readonly<Record<Lane, HttpAgent>>;

export class HttpTransport {
  readonly #options: HttpTransportOptions;
  readonly #base: URL;
  #agents: Agents | undefined;
  #material: TlsMaterial | undefined;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#base = new URL(options.credentials.baseUrl);
  }

  get host(): string {
    return this.#base.host;
  }

  /** Sends a request and reads the whole answer, whatever its status. */
  async call(call: HttpCall): Promise<HttpAnswer> {
    return await this.#withDeadline(call, async (signal) => {
      const message = await this.#send(call, signal);
      try {
        return {
          status: message.statusCode ?? 0,
          retryAfter: message.headers['retry-after'],
          body: await readBody(message, call.maxBodyBytes),
        };
      } catch (error) {
        message.destroy();
        throw error;
      }
    });
  }

  /** Sends a request and returns the answer once its headers are there. The caller reads it or destroys it. */
  async open(call: HttpCall): Promise<IncomingMessage> {
    return await this.#withDeadline(call, (signal) => this.#send(call, signal), true);
  }

  /** Ends every connection, those in use too. */
  close(): void {
    for (const agent of Object.values(this.#agents ?? {})) agent.destroy();
    this.#agents = undefined;
  }

  async #withDeadline<R>(
    call: HttpCall,
    work: (signal: AbortSignal) => Promise<R>,
    stream = false,
  ): Promise<R> {
    const controller = new AbortController();
    const timer = this.#options.clock.after(call.timeoutMs, () => {
      const what = `${call.method} ${call.path.split('?')[0]}`;
      const text = `${what}: no ${stream ? 'answer' : 'complete answer'} within ${call.timeoutMs} ms`;
      controller.abort(new KubeError(kubeErrorCodes.timeout, text));
    });
    const onAbort = () => controller.abort(call.signal?.reason);
    if (call.signal?.aborted) onAbort();
    call.signal?.addEventListener('abort', onAbort, { once: true });

    try {
      controller.signal.throwIfAborted();
      return await work(controller.signal);
    } catch (error) {
      if (controller.signal.aborted) throw controller.signal.reason;
      throw asKubeError(error, call);
    } finally {
      timer.cancel();
      call.signal?.removeEventListener('abort', onAbort);
    }
  }

  async #send(call: HttpCall, signal: AbortSignal): Promise<IncomingMessage> {
    // An exec plugin or a file on a dead mount may never answer: the deadline holds for them too.
    const authorization = await unlessAborted(this.#options.credentials.authorization(), signal);
    const agents = await unlessAborted(this.#currentAgents(), signal);
    signal.throwIfAborted();

    return await new Promise((resolve, reject) => {
      const request = this.#createRequest(call, agents[call.lane], authorization);
      const onAbort = () => {
        request.destroy();
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      request.on('error', reject);
      request.once('close', () => {
        signal.removeEventListener('abort', onAbort);
        reject(new Error('the connection was closed before an answer came'));
      });
      request.once('response', (message) => {
        message.on('error', () => {});
        resolve(message);
      });
      sendWhenConnected(request, call);
    });
  }

  #createRequest(call: HttpCall, agent: HttpAgent, authorization: string | undefined): ClientRequest {
    const headers: Record<string, string> = {
      ...call.headers,
      'user-agent': this.#options.userAgent ?? 'node-controller',
    };
    if (authorization !== undefined) headers.authorization = authorization;
    if (call.body !== undefined) headers['content-length'] = String(Buffer.byteLength(call.body));

    const options = {
      agent,
      method: call.method,
      host: unbracketed(this.#base.hostname),
      port: this.#base.port || (this.#base.protocol === 'https:' ? 443 : 80),
      path: this.#base.pathname.replace(/\/$/, '') + call.path,
      headers,
    };
    return this.#base.protocol === 'https:' ? requestHttps(options) : requestHttp(options);
  }

  /** The pools for the current TLS material; connections made with other material finish and are not used again. */
  async #currentAgents(): Promise<Agents> {
    const material = await this.#options.credentials.tls();
    if (this.#agents && this.#material && sameMaterial(this.#material, material)) return this.#agents;

    if (this.#agents) retire(this.#agents);
    this.#material = material;
    this.#agents = createAgents(this.#base, material, this.#options.maxConnections ?? 64);
    return this.#agents;
  }
}

/** Holds the request back until its connection is up, then asks the gate and writes at once. */
function sendWhenConnected(request: ClientRequest, call: HttpCall): void {
  const send = () => {
    if (request.destroyed) return;
    const refusal = call.gate?.();
    if (refusal !== undefined) {
      request.destroy(new KubeError(kubeErrorCodes.gated, `${call.method} was not sent: ${refusal}`));
      return;
    }
    request.end(call.body);
  };
  request.once('socket', (socket) => {
    if (!(socket instanceof TLSSocket)) {
      if (socket.connecting) socket.once('connect', send);
      else send();
    } else if ('secureConnecting' in socket && socket.secureConnecting === true) {
      socket.once('secureConnect', send);
    } else send();
  });
}

async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > maxBytes) {
      throw new KubeError(kubeErrorCodes.protocol, `the answer is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
}

function createAgents(base: URL, material: TlsMaterial, maxConnections: number): Agents {
  const create = (maxSockets: number) => {
    const pool = {
      keepAlive: true,
      maxSockets,
      maxFreeSockets: 64,
      timeout: idleMs,
      scheduling: 'lifo',
    } as const;
    if (base.protocol !== 'https:') return new HttpAgent(pool);
    return new HttpsAgent({ ...pool, ...tlsOptions(base, material) });
  };
  return { calls: create(maxConnections), streams: create(Infinity), reserved: create(Infinity) };
}

function tlsOptions(base: URL, material: TlsMaterial) {
  // An address must not be sent as SNI: RFC 6066, section 3.
  const host = unbracketed(base.hostname);
  const isName = !/^[\d.]+$|:/.test(host);
  const servername = material.serverName ?? (isName ? host : '');
  return {
    ca: material.ca,
    cert: material.cert,
    key: material.key,
    servername,
    rejectUnauthorized: material.insecureSkipVerify !== true,
    minVersion: 'TLSv1.2',
  } as const;
}

function retire(agents: Agents): void {
  for (const agent of Object.values(agents)) {
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return (
    a === b ||
    (a.ca === b.ca &&
      a.cert === b.cert &&
      a.key === b.key &&
      a.serverName === b.serverName &&
      a.insecureSkipVerify === b.insecureSkipVerify)
  );
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function asKubeError(error: unknown, call: HttpCall): KubeError {
  if (error instanceof KubeError) return error;
  const what = `${call.method} ${call.path.split('?')[0]}`;
  const code = codeOf(error);
  const parsing = code?.startsWith('HPE_') === true;
  return new KubeError(
    parsing ? kubeErrorCodes.protocol : kubeErrorCodes.connection,
    `${what}: ${messageOf(error)}`,
    { cause: error },
  );
}
