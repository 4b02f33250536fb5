// A UDP relay that loses packets: those the test says. Each client gets a socket of its own towards the server.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

export type Way = 'toServer' | 'toClient';

export class UdpProxy {
  /** Which packets are lost; `client` counts from 0 in the order in which they came. Default: none. */
  loses: (way: Way, client: number) => boolean = () => false;
  readonly #listener: Socket;
  readonly #serverPort: number;
  readonly #clients = new Map<number, Socket>();

  private constructor(listener: Socket, serverPort: number) {
    this.#listener = listener;
    this.#serverPort = serverPort;
    listener.on('message', (packet, { port }) => this.#fromClient(packet, port));
  }

  static async start(serverPort: number): Promise<UdpProxy> {
    const listener = createSocket('udp4').bind(0, '127.0.0.1');
    await once(listener, 'listening');
    return new UdpProxy(listener, serverPort);
  }

  get port(): number {
    return this.#listener.address().port;
  }

  /** Clients seen so far. */
  get clients(): number {
    return this.#clients.size;
  }

  stop(): void {
    this.#listener.close();
    for (const socket of this.#clients.values()) socket.close();
  }

  #fromClient(packet: Buffer, port: number): void {
    const known = this.#clients.get(port);
    const socket = known ?? this.#open(port);
    const client = [...this.#clients.keys()].indexOf(port);
    if (!this.loses('toServer', client)) socket.send(packet, this.#serverPort, '127.0.0.1');
  }

  #open(port: number): Socket {
    const socket = createSocket('udp4');
    const client = this.#clients.size;
    socket.on('message', (packet) => {
      if (!this.loses('toClient', client)) this.#listener.send(packet, port, '127.0.0.1');
    });
    socket.on('error', () => {});
    this.#clients.set(port, socket);
    return socket;
  }
}
