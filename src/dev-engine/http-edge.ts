// The public face of http tunnels: checks the visitor, forwards the request over the tunnel's upstream, and answers 502,
// 503 or 504 with a sentence when that fails. Bodies stream both ways under backpressure.

import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { codeOf, messageOf } from '../common/errors.ts';
import type { Authenticator } from './authenticator.ts';
import { Refusal } from './errors.ts';
import { endToEndHeaders, upstreamHeaders } from './forwarded-headers.ts';
import { answerText, type Exchange, type Headers } from './http-exchange.ts';
import type { HttpUpstream } from './http-upstream.ts';
import type { Relay } from './relay.ts';
import type { Routes } from './routes.ts';
import { DialBackTimeout } from './stream-broker.ts';
import type { Upstreams } from './upstreams.ts';
import { plainAddress } from './visitor-access.ts';
import { takeVisitorToken } from './visitor-token.ts';

export interface HttpEdgeOptions {
  readonly relay: Relay;
  readonly routes: Routes;
  readonly authenticator: Authenticator;
  readonly upstreams: Upstreams;
}

/** A request that may go on, and where to. */
interface Admitted {
  readonly upstream: HttpUpstream;
  readonly path: string;
}

interface Denied {
  readonly status: number;
  readonly sentence: string;
  readonly headers?: Headers;
}

type Incoming = Pick<Exchange, 'authority' | 'path' | 'headers' | 'address'>;

export class HttpEdge {
  readonly #options: HttpEdgeOptions;

  constructor(options: HttpEdgeOptions) {
    this.#options = options;
  }

  /** `route` is the one the connection's server name belongs to. */
  async request(exchange: Exchange, route: string): Promise<void> {
    const admission = this.#admit(exchange, route);
    if ('status' in admission)
      return answerText(exchange, admission.status, admission.sentence, admission.headers);
    const { path } = admission;
    const headers = upstreamHeaders(exchange.headers, exchange);
    try {
      const upstream = await admission.upstream.get();
      if (upstream.kind === 'http2')
        forwardHttp2(exchange, upstream.session.request.bind(upstream.session), path, headers);
      else forwardHttp1(exchange, { agent: upstream.agent, path, headers }, true);
    } catch (error) {
      fail(exchange, error);
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, route: string): void {
    const incoming: Incoming = {
      authority: request.headers.host ?? '',
      path: request.url ?? '/',
      headers: request.headers,
      address: plainAddress(request.socket.remoteAddress),
    };
    const refuse = (status: number, sentence: string) =>
      socket.end(`HTTP/1.1 ${status} ${sentence}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    const admission = this.#admit(incoming, route);
    if ('status' in admission) return void refuse(admission.status, admission.sentence);

    const headers: Headers = { ...upstreamHeaders(request.headers, incoming), connection: 'Upgrade' };
    headers.upgrade = request.headers.upgrade ?? 'websocket';
    const upstream = httpRequest({
      method: request.method,
      path: admission.path,
      headers: headers as Record<string, string | string[]>,
      setHost: false,
      createConnection: (_options, done) => {
        admission.upstream.connect().then(
          (stream) => done(null, stream),
          (error) => done(error, socket),
        );
        return undefined;
      },
    });
    startWhenAttached(upstream);
    socket.once('close', () => upstream.destroy());
    upstream.on('error', (error) => {
      const { status, sentence } = gatewayError(error);
      if (!socket.destroyed && socket.writable) refuse(status, sentence);
    });
    upstream.on('upgrade', (response, service, serviceHead) => {
      socket.write(responseHead(response));
      if (serviceHead.length > 0) service.unshift(serviceHead);
      if (head.length > 0) socket.unshift(head);
      void this.#options.relay(socket, service);
    });
    upstream.on('response', (response) => {
      socket.write(responseHead(response, true));
      pipeline(response, socket, () => {});
    });
    upstream.end();
  }

  #admit(incoming: Incoming, route: string): Admitted | Denied {
    const { routes, authenticator, upstreams } = this.#options;
    const host = incoming.authority.replace(/:\d+$/, '').toLowerCase();
    if (routes.routeOf(host) !== route && routes.isHeld(route)) {
      return {
        status: 421,
        sentence: `${host.slice(0, 253) || 'this host'} is not served on this connection`,
      };
    }
    const tunnel = routes.pick(route);
    const upstream = tunnel && upstreams.of(tunnel);
    if (!tunnel || !upstream) {
      return {
        status: 503,
        sentence: 'No tunnel holds this host name at the moment.',
        headers: { 'retry-after': '1' },
      };
    }
    const refusal = tunnel.checkAddress(incoming.address);
    if (refusal) return { status: 403, sentence: `Not allowed: ${refusal}.` };
    const { path, token } = takeVisitorToken(incoming.path, incoming.headers.authorization);
    if (tunnel.properties.tokenAuth && !authenticator.userOfToken(token)) {
      const headers = { 'www-authenticate': 'Bearer realm="rstream"' };
      return {
        status: 401,
        sentence: 'This tunnel wants a token: send it as Authorization: Bearer.',
        headers,
      };
    }
    return { upstream, path: tunnel.properties.tokenAuth ? path : incoming.path };
  }
}

interface Http1Target {
  readonly agent: Agent;
  readonly path: string;
  readonly headers: Headers;
}

/** A kept connection may be closed by the service just as we use it: a request without a body is then sent once more. */
function forwardHttp1(exchange: Exchange, target: Http1Target, mayRetry: boolean): void {
  const headers = { ...target.headers };
  if (exchange.hasBody && !headers['content-length']) headers['transfer-encoding'] = 'chunked';
  if (!exchange.hasBody && !['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'].includes(exchange.method)) {
    headers['content-length'] = '0';
  }
  const upstream = httpRequest({
    agent: target.agent,
    host: 'service',
    method: exchange.method,
    path: target.path,
    headers: headers as Record<string, string | string[]>,
    setHost: false,
  });
  startWhenAttached(upstream);
  const stop = () => upstream.destroy();
  exchange.signal.addEventListener('abort', stop, { once: true });
  upstream.on('error', (error) => {
    exchange.signal.removeEventListener('abort', stop);
    if (exchange.signal.aborted || exchange.answered) return;
    const stale = upstream.reusedSocket && codeOf(error) === 'ECONNRESET';
    if (stale && mayRetry && !exchange.hasBody) return forwardHttp1(exchange, target, false);
    fail(exchange, error);
  });
  upstream.on('response', (response) => {
    const answer = endToEndHeaders(response.headers);
    pipeline(response, exchange.respond(response.statusCode ?? 502, answer), (error) => {
      exchange.signal.removeEventListener('abort', stop);
      if (error) exchange.abort();
    });
  });
  exchange.hasBody ? exchange.body.pipe(upstream) : upstream.end();
}

/** Dialled-back streams come paused, and a new `data` listener alone does not start a paused stream. */
function startWhenAttached(request: ClientRequest): void {
  request.on('socket', (socket) => socket.resume());
}

type Http2Request = ClientHttp2Session['request'];

function forwardHttp2(exchange: Exchange, request: Http2Request, path: string, headers: Headers): void {
  const { host: authority, ...rest } = headers;
  const upstream = request(
    {
      ':method': exchange.method,
      ':path': path,
      ':scheme': 'http',
      ':authority': String(authority),
      ...rest,
    },
    { endStream: !exchange.hasBody },
  );
  const stop = () => upstream.close(8);
  exchange.signal.addEventListener('abort', stop, { once: true });
  upstream.on('error', (error) => {
    if (exchange.signal.aborted) return;
    exchange.answered ? exchange.abort() : fail(exchange, error);
  });
  upstream.on('trailers', (trailers) => exchange.trailers(endToEndHeaders(trailers)));
  upstream.on('response', (answer) => {
    const out = exchange.respond(answer[':status'] ?? 502, endToEndHeaders(answer));
    // Not pipeline: the same stream still carries the request's body.
    upstream.pipe(out);
    upstream.once('close', () => {
      exchange.signal.removeEventListener('abort', stop);
      if (upstream.rstCode !== 0 && !out.writableEnded) exchange.abort();
    });
  });
  if (exchange.hasBody) exchange.body.pipe(upstream);
}

function fail(exchange: Exchange, error: unknown) {
  if (exchange.answered || exchange.signal.aborted) return exchange.abort();
  const { status, sentence } = gatewayError(error);
  answerText(exchange, status, sentence);
}

function gatewayError(error: unknown): { readonly status: number; readonly sentence: string } {
  const sentence = `The tunnel could not serve this request: ${messageOf(error).replace(/[\r\n]+/g, ' ')}.`;
  if (error instanceof DialBackTimeout) return { status: 504, sentence };
  if (error instanceof Refusal && error.number === ErrorCode.CAPACITY_EXHAUSTED)
    return { status: 503, sentence };
  return { status: 502, sentence };
}

/** The head of a response as bytes; `close` when the connection ends after its body. */
function responseHead(response: IncomingMessage, close = false): string {
  const lines = [`HTTP/1.1 ${response.statusCode} ${response.statusMessage ?? ''}`];
  for (let index = 0; index + 1 < response.rawHeaders.length; index += 2) {
    const name = response.rawHeaders[index] ?? '';
    const own = close && ['connection', 'transfer-encoding', 'keep-alive'].includes(name.toLowerCase());
    if (!own) lines.push(`${name}: ${response.rawHeaders[index + 1]}`);
  }
  if (close) lines.push('connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
}
