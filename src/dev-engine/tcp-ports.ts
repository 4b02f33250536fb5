// The port range of tcp tunnels: one listener per port in use, kept as long as any tunnel holds the port.

import { createServer, type Server, type Socket } from 'node:net';
import { codeOf, messageOf } from '../common/errors.ts';
import { atCapacity, invalidRequest } from './errors.ts';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface TcpPortsOptions {
  readonly host: string | undefined;
  /** Undefined: tcp tunnels are refused. */
  readonly range: PortRange | undefined;
  readonly maxConnectionsPerPort: number;
  /** Gets each visitor with an error listener attached. */
  readonly onConnection: (port: number, socket: Socket) => void;
}

export class TcpPorts {
  readonly #options: TcpPortsOptions;
  readonly #listeners = new Map<number, { readonly server: Promise<Server>; users: number }>();

  constructor(options: TcpPortsOptions) {
    this.#options = options;
  }

  /** Listens on the port asked for, or on any free one; throws 2000 outside the range or when something else has it. */
  async acquire(requested: number | undefined): Promise<number> {
    const range = this.#options.range;
    if (!range) throw invalidRequest('this engine has no ports for tcp tunnels; start it with --tcp-ports');
    if (requested === undefined) return this.#acquireAny(range);
    if (requested < range.from || requested > range.to) {
      throw invalidRequest(`port ${requested} is not one of this engine's, ${range.from} to ${range.to}`);
    }
    try {
      await this.#use(requested);
    } catch (error) {
      throw invalidRequest(`port ${requested} cannot be used: ${messageOf(error)}`);
    }
    return requested;
  }

  /** The last user's release closes the listener; connections live on. */
  release(port: number): void {
    const listener = this.#listeners.get(port);
    if (!listener) return;
    listener.users -= 1;
    if (listener.users > 0) return;
    this.#listeners.delete(port);
    listener.server.then(
      (server) => server.close(),
      () => {},
    );
  }

  /** Stops listening everywhere; connections are not waited for. */
  async close(): Promise<void> {
    const servers = [...this.#listeners.values()].map(({ server }) => server);
    this.#listeners.clear();
    for (const server of await Promise.allSettled(servers)) {
      if (server.status === 'fulfilled') server.value.close();
    }
  }

  async #acquireAny(range: PortRange): Promise<number> {
    const size = range.to - range.from + 1;
    const start = Math.floor(Math.random() * size);
    for (let step = 0; step < size; step++) {
      const port = range.from + ((start + step) % size);
      if (this.#listeners.has(port)) continue;
      try {
        await this.#use(port);
        return port;
      } catch (error) {
        if (codeOf(error) !== 'EADDRINUSE' && codeOf(error) !== 'EACCES') throw error;
      }
    }
    throw atCapacity(`all ports from ${range.from} to ${range.to} are in use`);
  }

  async #use(port: number): Promise<void> {
    const listener = this.#listeners.get(port) ?? { server: this.#listen(port), users: 0 };
    listener.users += 1;
    this.#listeners.set(port, listener);
    try {
      await listener.server;
    } catch (error) {
      this.release(port);
      throw error;
    }
  }

  #listen(port: number): Promise<Server> {
    const { host, maxConnectionsPerPort, onConnection } = this.#options;
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {});
      onConnection(port, socket);
    });
    server.maxConnections = maxConnectionsPerPort;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => resolve(server));
    });
  }
}
