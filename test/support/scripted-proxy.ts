// An HTTP CONNECT proxy, plain or over TLS, that records what it is asked and can refuse or add to its answer.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureVersion, TLSSocket } from 'node:tls';
import { resetSocket } from '../../src/rstream/connection.ts';
import { serverCertificate, testAuthority } from './certificates.ts';

interface ProxyOptions {
  readonly secure?: boolean;
  readonly names?: readonly string[];
  readonly maxVersion?: SecureVersion;
}

export class ScriptedProxy {
  readonly url: string;
  readonly ca: string;
  /** The heads of all requests, and the addresses they came from. */
  readonly requests: string[] = [];
  readonly askers: (string | undefined)[] = [];
  /** What the TLS of each of them asked for: the server name (false when none) and the protocol. */
  readonly handshakes: {
    readonly serverName: string | false | null;
    readonly protocol: string | false | null;
  }[] = [];
  /** The status line and headers it answers with; with anything but 200 it ends the connection. */
  answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
  /** Leaves it to the other side to close connections that it has refused. */
  lingers = false;
  /** Where tunnels really go; default the host and port asked for. */
  target: { readonly host: string; readonly port: number } | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #clients: Socket[] = [];

  private constructor(server: Server, url: string, ca: string) {
    this.#server = server;
    this.url = url;
    this.ca = ca;
  }

  /** With `secure`, its certificate is for localhost unless `names` are given. */
  static async start({ secure = false, names, maxVersion }: ProxyOptions = {}): Promise<ScriptedProxy> {
    const authority = await testAuthority();
    const { cert, key } = await (names ? authority.issueServer(names) : serverCertificate());
    const ca = authority.certificate;
    const options = { allowHalfOpen: true, noDelay: true };
    const weak = { maxVersion, minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const;
    const secured = { ...options, cert, key, ALPNProtocols: ['http/1.1'], ...(maxVersion && weak) };
    const server = secure ? createTlsServer(secured) : createServer(options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const proxy = new ScriptedProxy(server, `${secure ? 'https' : 'http'}://localhost:${port}`, ca);
    server.on('connection', (socket: Socket) => {
      proxy.#clients.push(socket);
      proxy.#track(socket);
    });
    server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => proxy.#serve(socket));
    server.on('tlsClientError', () => {});
    return proxy;
  }

  /** Connections open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Resets every connection. */
  breakOff(): void {
    for (const socket of this.#sockets) resetSocket(socket);
  }

  /** Sends its clients bytes that are no TLS. */
  garble(): void {
    for (const socket of this.#clients) socket.write(Buffer.alloc(64, 0xff));
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
    if (socket instanceof TLSSocket) {
      this.handshakes.push({ serverName: socket.servername, protocol: socket.alpnProtocol });
    }
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData).pause();
      this.requests.push(head);
      this.askers.push(socket.remoteAddress);
      if (this.answer.includes(' 200')) this.#tunnel(socket, head);
      else if (this.lingers) socket.resume().write(this.answer);
      else socket.end(this.answer);
    };
    socket.on('error', () => {}).on('data', onData);
    if (this.lingers) socket.on('end', () => socket.destroy());
  }

  #tunnel(socket: Socket, head: string): void {
    const [, host = '', port = '0'] = /^CONNECT (.+):(\d+) /.exec(head) ?? [];
    const target = this.target ?? { host, port: Number(port) };
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
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
