// Stands between a manager and its API server: counts requests, and cuts, stalls or refuses watches as a network would.

import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as requestHttps, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serverCertificate } from './certificates.ts';
import type { KubeApiserver } from './kube-apiserver.ts';
import { writeKubeconfig } from './kubeconfig-file.ts';

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly isWatch: boolean;
  readonly accept: string;
}

export class ApiProxy {
  readonly requests: ProxiedRequest[] = [];
  /** A kubeconfig with the rights of system:masters that leads through here. */
  readonly kubeconfig: string;
  /** While true, new watches are told that their version is too old. */
  gone = false;
  /** Requests for a path with this in it are forbidden. */
  forbidden: string | undefined;
  readonly #target: KubeApiserver;
  readonly #server: Server;
  readonly #watches = new Map<ServerResponse, { readonly upstream: IncomingMessage; readonly url: string }>();

  private constructor(target: KubeApiserver, server: Server, ca: string) {
    this.#target = target;
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    const caFile = join(target.directory, `proxy-${port}.crt`);
    writeFileSync(caFile, ca);
    this.kubeconfig = join(target.directory, `proxy-${port}.kubeconfig`);
    writeKubeconfig(this.kubeconfig, { server: `https://127.0.0.1:${port}`, caFile, token: target.token });
    server.on('request', (request, response) => this.#forward(request, response));
  }

  static async start(target: KubeApiserver): Promise<ApiProxy> {
    const { cert, key, ca } = await serverCertificate();
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ApiProxy(target, server, ca);
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** Breaks every watch. */
  cut(): void {
    for (const response of this.#watches.keys()) response.destroy();
  }

  /** Every open watch of what `path` is in stays open, and nothing comes through it any more. */
  stall(path = ''): void {
    for (const [response, { upstream, url }] of this.#watches)
      if (url.includes(path)) upstream.unpipe(response).resume();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET', url = '/', headers } = request;
    const isWatch = new URL(url, 'http://proxy').searchParams.get('watch') === 'true';
    this.requests.push({ method, path: url, isWatch, accept: headers.accept ?? '' });
    response.on('error', () => {});
    if (isWatch && this.gone) {
      tooOld(response);
      return;
    }

    if (this.forbidden !== undefined && url.includes(this.forbidden)) {
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', code: 403, reason: 'Forbidden' }));
      return;
    }

    const ca = readFileSync(this.#target.caFile);
    const outgoing = requestHttps(new URL(url, this.#target.url), { method, headers, ca, agent: false });
    outgoing.on('error', () => response.destroy());
    outgoing.on('response', (upstream) => {
      upstream.on('error', () => response.destroy());
      upstream.on('aborted', () => response.destroy());
      response.writeHead(upstream.statusCode ?? 502, upstream.headers);
      response.flushHeaders();
      upstream.pipe(response);
      if (!isWatch) return;
      this.#watches.set(response, { upstream, url });
    });
    response.on('close', () => {
      this.#watches.delete(response);
      outgoing.destroy();
    });
    request.pipe(outgoing);
  }
}

function tooOld(response: ServerResponse): void {
  const object = { kind: 'Status', apiVersion: 'v1', code: 410, reason: 'Expired', message: 'too old' };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
}
