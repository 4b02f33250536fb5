// HTTP towards the service, over streams the agent dials back: HTTP/1.1 connections kept and reused, or one h2c session.
// With upstream TLS the version is what the service chooses by ALPN.

import { Agent, type ClientRequestArgs } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { unavailable } from './errors.ts';
import { socketLike } from './socket-like.ts';

/** Shorter than the keep-alive of common servers, so that a connection is rarely used just as they close it. */
const idleMs = 4000;

/** A fresh stream to the service, as a socket. */
export type OpenUpstream = () => Promise<Duplex>;

export interface UpstreamOptions {
  readonly open: OpenUpstream;
  readonly version: 'http/1.1' | 'h2c' | 'negotiated';
  /** Sent as SNI with version `negotiated`. */
  readonly serverName: string | undefined;
}

export type Upstream =
  | { readonly kind: 'http1'; readonly agent: Agent }
  | { readonly kind: 'http2'; readonly session: ClientHttp2Session };

export class HttpUpstream {
  readonly #options: UpstreamOptions;
  readonly #agent: KeptConnections;
  #session: Promise<ClientHttp2Session> | undefined;
  #negotiated: 'http/1.1' | 'h2c' | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#negotiated = options.version === 'negotiated' ? undefined : options.version;
    this.#agent = new KeptConnections(() => this.#connect(['http/1.1']));
  }

  /** How to send the next request. Rejects with what opening a stream rejects with. */
  async get(): Promise<Upstream> {
    this.#negotiated ??= await this.#probe();
    if (this.#negotiated === 'http/1.1') return { kind: 'http1', agent: this.#agent };
    return { kind: 'http2', session: await this.#http2Session() };
  }

  /** A connection of its own, for an upgrade. */
  connect(): Promise<Duplex> {
    return this.#connect(['http/1.1']);
  }

  /** Idle connections go now, busy ones when they become idle. */
  retire(): void {
    this.#agent.retire();
    this.#session?.then(
      (session) => session.close(),
      () => {},
    );
  }

  /** Asks the service once what it speaks; that first connection is used when it is HTTP/2. */
  async #probe(): Promise<'http/1.1' | 'h2c'> {
    const stream = await this.#connect(['h2', 'http/1.1']);
    const chosen = 'alpnProtocol' in stream && stream.alpnProtocol === 'h2' ? 'h2c' : 'http/1.1';
    if (chosen === 'h2c') this.#session = Promise.resolve(this.#start(stream));
    else this.#agent.offer(stream);
    return chosen;
  }

  async #http2Session(): Promise<ClientHttp2Session> {
    const current = await this.#session?.catch(() => undefined);
    if (current && !current.closed && !current.destroyed) return current;
    this.#session = this.#connect(['h2']).then((stream) => this.#start(stream));
    return this.#session;
  }

  #start(stream: Duplex): ClientHttp2Session {
    const session = connectHttp2('http://service', { createConnection: () => stream });
    session.on('error', () => {});
    session.setTimeout(60_000, () => session.close());
    return session;
  }

  async #connect(alpn: readonly string[]): Promise<Duplex> {
    const stream = await this.#options.open();
    if (this.#options.version !== 'negotiated') return socketLike(stream);
    return startTls(stream, alpn, this.#options.serverName);
  }
}

/** TLS to the service inside the stream. Its certificate is not checked: the agent chose whom it dials. */
export function startTls(stream: Duplex, alpn: readonly string[], serverName?: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: stream,
      rejectUnauthorized: false,
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      ...(serverName && { servername: serverName }),
    });
    const fail = () => {
      stream.destroy();
      reject(unavailable('the service did not complete a TLS handshake'));
    };
    socket.once('error', fail).once('close', fail);
    socket.once('secureConnect', () => {
      socket
        .off('error', fail)
        .off('close', fail)
        .on('error', () => {});
      resolve(socket);
    });
  });
}

/** Node's connection pool over our streams. */
class KeptConnections extends Agent {
  readonly #open: OpenUpstream;
  #offered: Duplex[] = [];
  #retired = false;

  constructor(open: OpenUpstream) {
    super({ keepAlive: true, maxSockets: 256, maxFreeSockets: 32, timeout: idleMs, scheduling: 'lifo' });
    this.#open = open;
  }

  /** A connection that is already there, for the next request. */
  offer(stream: Duplex): void {
    this.#offered.push(stream);
  }

  retire(): void {
    this.#retired = true;
    for (const stream of this.#offered) stream.destroy();
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const offered = this.#offered.pop();
    if (offered && !offered.destroyed) return offered;
    this.#open().then(
      (stream) => callback?.(null, stream),
      // Node's types demand a stream beside the error; it is not looked at.
      (error) => callback?.(error, new Socket()),
    );
    return undefined;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    if (this.#retired) return false;
    // Node's implementation answers whether the pool keeps it, though its types say nothing.
    const kept: unknown = super.keepSocketAlive(socket);
    return kept !== false;
  }
}
