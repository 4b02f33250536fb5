// The engine's HTTP API at its own host name: inventories, health, discovery for clients with certificates, and the event
// stream as server-sent events or over a WebSocket.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../common/clock.ts';
import type { Authenticator } from './authenticator.ts';
import type { EngineEvent, EventFeed, EventFilters } from './event-feed.ts';
import { answerJson, type Exchange } from './http-exchange.ts';
import { clientObject, type Filters, isObject, type JsonObject, matches, tunnelObject } from './inventory.ts';
import type { Registry } from './registry.ts';
import { tlsCertificate } from './runtime-peer.ts';
import { takeVisitorToken } from './visitor-token.ts';

const maxUnsentBytes = 1 << 20;
const pingMs = 15_000;

export interface EngineApiOptions {
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly feed: EventFeed;
  /** Names that belong to tunnels, held or not: the API does not answer there. */
  readonly isPublicName: (host: string) => boolean;
}

interface Params {
  readonly limit?: number;
  readonly filters?: Filters;
  readonly tunnels?: Filters;
  readonly clients?: Filters;
}

export class EngineApi {
  readonly #options: EngineApiOptions;
  readonly #webSockets = new WebSocketServer({ noServer: true, maxPayload: 4096, clientTracking: true });

  constructor(options: EngineApiOptions) {
    this.#options = options;
  }

  async request(exchange: Exchange, socket: TLSSocket) {
    const url = URL.parse(exchange.path, 'https://engine');
    if (!url) return answerJson(exchange, 400, { error: 'The request target is not a path.' });
    const host = exchange.authority.replace(/:\d+$/, '').toLowerCase();
    if (this.#options.isPublicName(host)) {
      // Whoever holds the name in a moment gets its visitors by new connections.
      exchange.last();
      const error = `No tunnel holds ${host.slice(0, 253)} at the moment.`;
      return answerJson(exchange, 503, { error }, { 'retry-after': '1' });
    }
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      return answerJson(exchange, 405, { error: 'This API is read-only: use GET.' }, { allow: 'GET, HEAD' });
    }
    const open = this.#openPath(url.pathname, exchange.authority);
    if (open) return answerJson(exchange, 200, open.body, open.headers);
    if (!url.pathname.startsWith('/api/'))
      return answerJson(exchange, 404, { error: 'There is nothing here; see /api/openapi.json.' });

    const user = this.#userOf(exchange.path, exchange.headers.authorization, socket);
    if (!user)
      return answerJson(exchange, 401, {
        error: 'The token or client certificate is missing or not accepted.',
      });
    const params = parseParams(url.searchParams.get('params'));
    if (typeof params === 'string') return answerJson(exchange, 400, { error: params });
    if (url.pathname === '/api/sse') return this.#serveSse(exchange, params, user);
    const found = this.#inventory(url.pathname, params, user);
    if (found === undefined) return answerJson(exchange, 404, { error: 'There is no such object.' });
    return answerJson(exchange, 200, found);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, tlsSocket: TLSSocket) {
    const refuse = (status: number, sentence: string) =>
      void socket.end(`HTTP/1.1 ${status} ${sentence}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    const path = request.url ?? '/';
    const url = URL.parse(path, 'https://engine');
    if (url?.pathname !== '/api/websocket') return refuse(404, 'Not Found');
    const user = this.#userOf(path, request.headers.authorization, tlsSocket);
    if (!user) return refuse(401, 'Unauthorized');
    const params = parseParams(url.searchParams.get('params'));
    if (typeof params === 'string') return refuse(400, 'Bad Request');
    this.#webSockets.handleUpgrade(request, socket, head, (client) =>
      this.#serveWebSocket(client, params, user),
    );
  }

  close(): void {
    for (const client of this.#webSockets.clients) client.terminate();
  }

  #userOf(path: string, authorization: string | string[] | undefined, socket: TLSSocket): string | undefined {
    const { authenticator } = this.#options;
    const { token } = takeVisitorToken(path, authorization);
    return token ? authenticator.userOfToken(token) : authenticator.userOfCertificate(tlsCertificate(socket));
  }

  /** What needs no credentials. */
  #openPath(
    path: string,
    authority: string,
  ): { readonly body: unknown; readonly headers?: Record<string, string> } | undefined {
    if (path === '/api/health/live') return { body: { status: 'live' } };
    if (path === '/api/health/ready') return { body: { status: 'ready' } };
    if (path === '/api/openapi.json') return { body: openApi };
    if (path !== '/.well-known/rstream/engine') return undefined;
    const body = {
      version: 1,
      projectEndpoint: authority.replace(/^\[/, '').split(/[.\]:]/)[0],
      mtlsApiUrl: `https://${authority}/api`,
      capabilities: ['engine-api-mtls'],
    };
    return { body, headers: { 'cache-control': 'max-age=60' } };
  }

  #inventory(path: string, params: Params, user: string): unknown {
    const { registry } = this.#options;
    const list = (objects: readonly JsonObject[]) =>
      objects.filter((object) => matches(object, params.filters)).slice(0, params.limit ?? objects.length);
    if (path === '/api/auth') return { user_id: user };
    if (path === '/api/clients') return list(registry.clients.map(clientObject));
    if (path === '/api/tunnels') return list(registry.tunnels.map(tunnelObject));
    const id = /^\/api\/tunnels\/([^/]+)$/.exec(path)?.[1];
    const tunnel = id === undefined ? undefined : registry.tunnel(id);
    return tunnel && tunnelObject(tunnel);
  }

  #serveSse(exchange: Exchange, params: Params, user: string): void {
    const out = exchange.respond(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const write = (text: string) => {
      if (out.writableLength > maxUnsentBytes) exchange.abort();
      else if (!out.destroyed && !out.writableEnded) out.write(text);
    };
    const stop = this.#options.feed.subscribe(watched(params), user, (event) =>
      write(`data: ${JSON.stringify(event)}\n\n`),
    );
    if (!stop) return void out.end();
    const stopPings = this.#everyPing(() => write(':\n\n'));
    exchange.body.resume();
    out.once('close', () => {
      stop();
      stopPings();
    });
  }

  #serveWebSocket(client: WebSocket, params: Params, user: string) {
    client.on('error', () => client.terminate());
    const send = (event: EngineEvent) => {
      if (client.bufferedAmount > maxUnsentBytes) client.terminate();
      else client.send(JSON.stringify(event));
    };
    const stop = this.#options.feed.subscribe(watched(params), user, send);
    if (!stop) return client.close(1013, 'too many subscribers');
    const stopPings = this.#everyPing(() => client.ping());
    client.on('close', () => {
      stop();
      stopPings();
    });
  }

  #everyPing(ping: () => void): () => void {
    const { clock } = this.#options;
    const again = () => {
      ping();
      timer = clock.after(pingMs, again, { unref: true });
    };
    let timer = clock.after(pingMs, again, { unref: true });
    return () => timer.cancel();
  }
}

function watched({ tunnels, clients }: Params): EventFilters {
  return { ...(tunnels && { tunnels }), ...(clients && { clients }) };
}

/** The query parameter `params`, or the sentence that says what is wrong with it. */
function parseParams(text: string | null): Params | string {
  if (text === null || text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'The query parameter params is not JSON.';
  }
  if (!isObject(value)) return 'The query parameter params is not a JSON object.';
  const { limit, filters, tunnels, clients } = value;
  if (limit !== undefined && (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 0)) {
    return 'params.limit is a whole number.';
  }
  for (const [name, filter] of Object.entries({ filters, tunnels, clients })) {
    if (filter !== undefined && filter !== null && !isObject(filter)) return `params.${name} is an object.`;
  }
  return {
    ...(typeof limit === 'number' && { limit }),
    ...(isObject(filters) && { filters }),
    ...(isObject(tunnels) && { tunnels }),
    ...(isObject(clients) && { clients }),
  };
}

const get = (summary: string) => ({ get: { summary, responses: { 200: { description: 'OK' } } } });
const openApi = {
  openapi: '3.1.0',
  info: { title: 'rstream dev engine', version: '1' },
  paths: {
    '/api/clients': get('Connected clients'),
    '/api/tunnels': get('Open tunnels'),
    '/api/tunnels/{id}': get('One tunnel'),
    '/api/auth': get('Checks the credentials'),
    '/api/sse': get('Events as text/event-stream'),
    '/api/websocket': get('Events over a WebSocket'),
    '/api/health/live': get('Liveness'),
    '/api/health/ready': get('Readiness'),
  },
};
