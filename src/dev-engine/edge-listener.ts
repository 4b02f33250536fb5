// The one TCP port: looks at each ClientHello without consuming it and gives the connection, untouched, to whoever its
// server name belongs to. Bounded in connections, hello size and the time a hello may take.

import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../common/clock.ts';
import { listen } from '../common/listen.ts';
import type { ListenAddress } from '../common/listen-address.ts';
import { type ClientHello, MAX_HELLO_BYTES, parseClientHello } from './client-hello.ts';

export interface EdgeListenerOptions {
  readonly listen: ListenAddress;
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

  /** Resolves with the bound port. */
  start(): Promise<number> {
    return listen(this.#server, this.#options.listen, '--listen');
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
