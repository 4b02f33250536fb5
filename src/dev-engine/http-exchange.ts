// One HTTP request and its answer, HTTP/1.1 or HTTP/2 alike, and the servers that make them from connections somebody
// else accepted. The parsing is Node's.

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../common/errors.ts';
import { plainAddress } from './visitor-access.ts';

export type Headers = Record<string, string | readonly string[]>;

export interface Exchange {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Host and port as the visitor wrote them. */
  readonly authority: string;
  /** Lower-case names, without pseudo-headers. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly address: string;
  readonly body: Readable;
  readonly hasBody: boolean;
  /** True once the answer has begun. */
  readonly answered: boolean;
  /** Aborts when the other side is gone before the answer was complete. */
  readonly signal: AbortSignal;
  /** Begins the answer. */
  respond(status: number, headers: Headers): Writable;
  /** To be called before the answer ends. */
  trailers(headers: Headers): void;
  /** To be called before the answer begins: the connection takes no further request. */
  last(): void;
  /** Breaks the connection or stream off. */
  abort(): void;
}

/** What is known about a connection before its first request; carried to each of them. */
export interface HttpHandlers<Scope> {
  /** Must not throw; a rejection answers 500. */
  readonly request: (exchange: Exchange, scope: Scope, socket: TLSSocket) => Promise<void>;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, scope: Scope) => void;
}

const idleTimeoutMs = 300_000;
const maxHeaderBytes = 32 * 1024;

export class HttpServers<Scope> {
  readonly #handlers: HttpHandlers<Scope>;
  readonly #http1: Server;
  readonly #http2: Http2Server;
  readonly #scopes = new WeakMap<object, { readonly scope: Scope; readonly socket: TLSSocket }>();

  constructor(handlers: HttpHandlers<Scope>) {
    this.#handlers = handlers;
    this.#http1 = createHttpServer({
      maxHeaderSize: maxHeaderBytes,
      requestTimeout: 0,
      keepAliveTimeout: 60_000,
    });
    this.#http1.timeout = idleTimeoutMs;
    this.#http1.on('request', (request, response) => this.#serveHttp1(request, response));
    this.#http1.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#http2 = createHttp2Server({
      maxSessionMemory: 16,
      settings: { maxConcurrentStreams: 256, maxHeaderListSize: maxHeaderBytes, initialWindowSize: 1 << 20 },
    });
    this.#http2.on('stream', (stream: ServerHttp2Stream, headers) => this.#serveHttp2(stream, headers));
    this.#http2.on('sessionError', () => {});
  }

  /** Serves HTTP on a connection until it ends. */
  serve(socket: TLSSocket, scope: Scope): void {
    if (socket.alpnProtocol !== 'h2') {
      this.#scopes.set(socket, { scope, socket });
      this.#http1.emit('connection', socket);
      return;
    }
    // The session is announced before emit returns; its own `socket` is a proxy and cannot be a key.
    const remember = (session: ServerHttp2Session) => {
      this.#scopes.set(session, { scope, socket });
      session.setTimeout(idleTimeoutMs, () => session.close());
    };
    this.#http2.once('session', remember);
    this.#http2.emit('connection', socket);
    this.#http2.off('session', remember);
  }

  #serveHttp1(request: IncomingMessage, response: ServerResponse): void {
    const known = this.#scopes.get(request.socket);
    if (!known) return void request.socket.destroy();
    this.#run(http1Exchange(request, response), known);
  }

  #serveHttp2(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    stream.on('error', () => {});
    const known = stream.session && this.#scopes.get(stream.session);
    if (!known) return stream.close();
    this.#run(http2Exchange(stream, headers, known.socket), known);
  }

  #run(exchange: Exchange, known: { readonly scope: Scope; readonly socket: TLSSocket }): void {
    this.#handlers.request(exchange, known.scope, known.socket).catch((error) => {
      if (exchange.answered) return exchange.abort();
      answerText(exchange, 500, messageOf(error));
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const known = this.#scopes.get(socket);
    if (!known) return void socket.destroy();
    known.socket.setTimeout(0);
    this.#handlers.upgrade(request, socket, head, known.scope);
  }
}

/** Answers with one sentence. */
export function answerText(
  exchange: Exchange,
  status: number,
  sentence: string,
  headers: Headers = {},
): void {
  const body = `${sentence}\n`;
  const length = String(Buffer.byteLength(body));
  const type = 'text/plain; charset=utf-8';
  exchange
    .respond(status, { ...headers, 'content-type': type, 'content-length': length })
    .end(exchange.method === 'HEAD' ? undefined : body);
  exchange.body.resume();
}

export function answerJson(exchange: Exchange, status: number, value: unknown, headers: Headers = {}): void {
  const body = JSON.stringify(value);
  const length = String(Buffer.byteLength(body));
  exchange
    .respond(status, { ...headers, 'content-type': 'application/json', 'content-length': length })
    .end(exchange.method === 'HEAD' ? undefined : body);
  exchange.body.resume();
}

function http1Exchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const gone = new AbortController();
  response.on('error', () => {});
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const length = request.headers['content-length'];
  return {
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    authority: request.headers.host ?? '',
    headers: request.headers,
    address: plainAddress(request.socket.remoteAddress),
    body: request,
    hasBody: request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0'),
    get answered() {
      return response.headersSent;
    },
    signal: gone.signal,
    respond: (status, headers) => response.writeHead(status, headers as Record<string, string | string[]>),
    trailers: (headers) => response.addTrailers(headers as Record<string, string>),
    last: () => {
      response.shouldKeepAlive = false;
    },
    abort: () => void request.socket.destroy(),
  };
}

function http2Exchange(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, socket: TLSSocket): Exchange {
  const gone = new AbortController();
  stream.once('close', () => {
    if (!stream.writableFinished || stream.rstCode !== 0) gone.abort();
  });
  let trailers: Headers | undefined;
  stream.on('wantTrailers', () => {
    // Nothing to say ends the stream properly all the same; close() would reset it.
    stream.sendTrailers((trailers ?? {}) as Record<string, string>);
  });
  const plain: Record<string, string | string[] | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) if (!name.startsWith(':')) plain[name] = value;
  return {
    method: headers[':method'] ?? 'GET',
    path: headers[':path'] ?? '/',
    authority: headers[':authority'] ?? headers.host ?? '',
    headers: plain,
    address: plainAddress(socket.remoteAddress),
    body: stream,
    hasBody: !stream.endAfterHeaders,
    get answered() {
      return stream.headersSent;
    },
    signal: gone.signal,
    respond: (status, answer) => {
      if (!stream.destroyed && !stream.closed) {
        stream.respond({ ':status': status, ...answer }, { waitForTrailers: true });
      }
      return stream;
    },
    trailers: (answer) => {
      trailers = answer;
    },
    last: () => stream.session?.close(),
    abort: () => stream.close(2),
  };
}
