// An API server that says exactly what a test tells it to, also what no API server should: each request takes the next
// answer scripted for its kind, over real sockets, in plain HTTP or TLS.

import { once } from 'node:events';
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient, type KubeClientOptions } from '../../src/kube/client.ts';
import type { Credentials } from '../../src/kube/credentials.ts';
import { serverCertificate, testAuthority } from './certificates.ts';

/** What a request is, as far as scripts tell them apart. */
export type RequestKind = 'list' | 'watch' | 'get' | 'create' | 'patch' | 'delete';

export interface SeenRequest {
  readonly kind: RequestKind;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Parsed when it is JSON. */
  readonly body: unknown;
}

export type Answer = (response: ServerResponse, request: SeenRequest) => void;

export interface ScriptedApiserverOptions {
  readonly tls?: boolean;
  /** Asks for a client certificate signed by the test authority, and refuses others. */
  readonly clientCertificates?: boolean;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

export class ScriptedApiserver {
  readonly requests: SeenRequest[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #scripts = new Map<RequestKind, Answer[]>();
  readonly #otherwise = new Map<RequestKind, Answer>();
  readonly #ca: string | undefined;
  readonly #clients: KubeClient[] = [];
  #connections = 0;

  private constructor(server: Server, ca: string | undefined, host: string) {
    this.#server = server;
    this.#ca = ca;
    const { port } = server.address() as AddressInfo;
    this.url = `${ca ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    server.on('connection', () => {
      this.#connections += 1;
    });
    server.on('request', (request, response) => this.#serve(request, response));
  }

  static async start(options: ScriptedApiserverOptions = {}): Promise<ScriptedApiserver> {
    const { host = '127.0.0.1', clientCertificates = false } = options;
    const { cert, key, ca } = options.tls ? await serverCertificate() : { cert: '', key: '', ca: undefined };
    const clientCa = clientCertificates ? (await testAuthority()).certificate : undefined;
    const tls = { cert, key, requestCert: clientCertificates, ca: clientCa };
    const server = ca ? createHttps(tls) : createHttp();
    server.listen(0, host);
    await once(server, 'listening');
    return new ScriptedApiserver(server, ca, host);
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  get credentials(): Credentials {
    const ca = this.#ca;
    return { baseUrl: this.url, tls: async () => ({ ca }), authorization: async () => undefined };
  }

  /** A client that goes when the server does. */
  client(options: Partial<KubeClientOptions> = {}): KubeClient {
    const { credentials } = this;
    const client = new KubeClient({ credentials, clock: systemClock, timeoutMs: 5000, ...options });
    this.#clients.push(client);
    return client;
  }

  /** The next requests of this kind get these answers, one each, in order. */
  script(kind: RequestKind, ...answers: readonly Answer[]): this {
    this.#scripts.set(kind, [...(this.#scripts.get(kind) ?? []), ...answers]);
    return this;
  }

  /** What requests of this kind get when the script has run out; default: silence. */
  otherwise(kind: RequestKind, answer: Answer): this {
    this.#otherwise.set(kind, answer);
    return this;
  }

  seen(kind: RequestKind): readonly SeenRequest[] {
    return this.requests.filter((request) => request.kind === kind);
  }

  /** Breaks every connection. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    incoming.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk);
    } catch {
      return;
    }
    const request = describe(incoming, Buffer.concat(chunks).toString('utf8'));
    this.requests.push(request);
    const answer = this.#scripts.get(request.kind)?.shift() ?? this.#otherwise.get(request.kind);
    answer?.(response, request);
  }
}

function describe(incoming: IncomingMessage, text: string): SeenRequest {
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://scripted');
  const method = incoming.method ?? 'GET';
  return {
    kind: kindOf(method, pathname, searchParams),
    method,
    path: pathname,
    query: searchParams,
    headers: incoming.headers,
    body: parsed(text),
  };
}

function kindOf(method: string, path: string, query: URLSearchParams): RequestKind {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return 'delete';
  if (query.get('watch') === 'true') return 'watch';
  const parts = path.split('/').slice(path.startsWith('/api/') ? 3 : 4);
  const inNamespace = parts[0] === 'namespaces' && parts.length > 2 ? parts.length - 2 : parts.length;
  return inNamespace > 1 ? 'get' : 'list';
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
