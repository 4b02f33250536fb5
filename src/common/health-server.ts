// The HTTP server of probes and metrics: /healthz, /readyz and, when a registry is given, /metrics. Answers GET only.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { messageOf } from './errors.ts';
import { listen } from './listen.ts';
import { parseListenAddress } from './listen-address.ts';

/** What a probe answers: `undefined` is healthy, a sentence is the reason it is not. */
export type Check = () => string | undefined;

export interface HealthServerOptions {
  /** `HOST:PORT`, `:PORT` for every interface, or port 0 for any free one. */
  readonly bindAddress: string;
  /** The flag that the address comes from, for the error when it cannot be bound. */
  readonly flag: string;
  readonly healthz?: Check;
  readonly readyz?: Check;
  readonly metrics?: Registry;
}

export interface HealthServer {
  /** The port really bound. */
  readonly port: number;
  close(): Promise<void>;
}

/** Starts listening; rejects when the address is malformed or cannot be bound. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    answer(options, request, response).catch((error) => reply(response, 500, `${messageOf(error)}\n`));
  });
  server.maxConnections = 64;
  const port = await listen(server, parseListenAddress(options.bindAddress), options.flag);
  return { port, close: () => close(server) };
}

async function answer(options: HealthServerOptions, request: IncomingMessage, response: ServerResponse) {
  const path = request.url?.split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'GET only\n');
  if (path === '/healthz' && options.healthz) return probe(response, options.healthz());
  if (path === '/readyz' && options.readyz) return probe(response, options.readyz());
  if (path === '/metrics' && options.metrics) {
    response.setHeader('content-type', options.metrics.contentType);
    return response.end(await options.metrics.metrics());
  }
  return reply(response, 404, 'not found\n');
}

function probe(response: ServerResponse, failure: string | undefined) {
  return failure === undefined ? reply(response, 200, 'ok\n') : reply(response, 503, `${failure}\n`);
}

function reply(response: ServerResponse, status: number, body: string) {
  if (response.headersSent) return response.end();
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  return response.end(body);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
