// An HTTP CONNECT proxy, plain or over TLS, that records what it is asked and can refuse or add to its answer.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { serverCertificate } from './certificates.ts';

export class ScriptedProxy {
  readonly url: string;
  readonly ca: string;
  /** The heads of all requests. */
  readonly requests: string[] = [];
  /** The status line and headers it answers with; anything but 200 ends the connection. */
  answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
  /** Where tunnels really go; default the host and port asked for. */
  target: { readonly host: string; readonly port: number } | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, url: string, ca: string) {
    this.#server = server;
    this.url = url;
    this.ca = ca;
  }

  static async start({ secure = false } = {}): Promise<ScriptedProxy> {
    const { ca, cert, key } = await serverCertificate();
    const options = { allowHalfOpen: true };
    const server = secure ? createTlsServer({ ...options, cert, key }) : createServer(options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const proxy = new ScriptedProxy(server, `${secure ? 'https' : 'http'}://localhost:${port}`, ca);
    server.on('connection', (socket: Socket) => proxy.#track(socket));
    server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => proxy.#serve(socket));
    server.on('tlsClientError', () => {});
    return proxy;
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
  }

  #serve(socket: Socket): void {
    let head = '';
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData).pause();
      this.requests.push(head);
      if (this.answer.includes(' 200')) this.#tunnel(socket, head);
      else socket.end(this.answer);
    };
    socket.on('error', () => {}).on('data', onData);
  }

  #tunnel(socket: Socket, head: string): void {
    const [, host = '', port = '0'] = /^CONNECT (.+):(\d+) /.exec(head) ?? [];
    const upstream = connect({ ...(this.target ?? { host, port: Number(port) }), allowHalfOpen: true });
    this.#track(upstream);
    upstream.once('connect', () => {
      socket.write(this.answer);
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  }
}
