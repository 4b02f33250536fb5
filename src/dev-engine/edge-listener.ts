// The one TCP port: looks at each ClientHello without consuming it and gives the connection, untouched, to whoever its
// server name belongs to. Bounded in connections, hello size and the time a hello may take.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../common/clock.ts';
import { type ClientHello, MAX_HELLO_BYTES, parseClientHello } from './client-hello.ts';

export interface EdgeListenerOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly clock: Clock;
  readonly helloTimeoutMs: number;
  readonly maxConnections: number;
  /** False closes new connections at once. */
  readonly accepts: () => boolean;
  /** Gets each connection with its hello, which is still the first thing to be read. Must not throw. */
  readonly onHello: (socket: Socket, hello: ClientHello) => void;
}

export class EdgeListener {
  readonly #options: EdgeListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: EdgeListenerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = options.maxConnections;
  }

  /** Open connections of any kind. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Resolves with the bound address. */
  start(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => resolve(this.#server.address() as AddressInfo));
    });
  }

  /** Stops listening and cuts every connection. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    return closed;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (!this.#options.accepts()) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));

    const { clock, helloTimeoutMs, onHello } = this.#options;
    let seen = Buffer.alloc(0);
    const timer = clock.after(helloTimeoutMs, () => socket.destroy());
    const onEnd = () => socket.destroy();
    const onClose = () => timer.cancel();
    const onReadable = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read())
        seen = Buffer.concat([seen, chunk]);
      const hello = seen.length > MAX_HELLO_BYTES ? 'invalid' : parseClientHello(seen);
      if (hello === 'more') return;
      if (hello === 'invalid') return void socket.destroy();
      timer.cancel();
      socket.off('readable', onReadable).off('end', onEnd).off('close', onClose);
      socket.pause();
      socket.unshift(seen);
      onHello(socket, hello);
    };
    socket.on('readable', onReadable).on('end', onEnd).on('close', onClose);
  }
}
