// A TCP relay that does to connections what networks do: carries them, swallows everything, ends one side only, dawdles.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Nothing passes, or nothing towards this one. */
  frozen: boolean | Socket;
}

export class ChaosProxy {
  readonly port: number;
  /** Where new connections are carried to. */
  targetPort: number;
  /** New connections are accepted and then nothing they send gets anywhere, as if packets were dropped. */
  blackHole = false;
  /** In each direction of each connection; default no limit. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** Connections accepted so far. */
  accepted = 0;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(listener: Server, targetPort: number) {
    this.#listener = listener;
    this.targetPort = targetPort;
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (client: Socket) => this.#accept(client));
  }

  static async start(targetPort: number): Promise<ChaosProxy> {
    const listener = createServer({ allowHalfOpen: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new ChaosProxy(listener, targetPort);
  }

  /** From now on nothing passes on the connections there are. */
  freeze(): void {
    for (const pair of this.#pairs) pair.frozen = true;
  }

  /** From now on nothing passes in this direction on the connections there are; the other one goes on. */
  freezeTowards(side: 'client' | 'server'): void {
    for (const pair of this.#pairs) pair.frozen = pair[side];
  }

  /** The clients of the connections there are see an end; their servers notice nothing at all. */
  endTowardsClients(): void {
    for (const pair of this.#pairs) {
      pair.frozen = true;
      pair.client.end();
    }
  }

  /** The servers see an end; the clients notice nothing at all. */
  endTowardsServers(): void {
    for (const pair of this.#pairs) {
      pair.frozen = true;
      pair.server.end();
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const server = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const pair: Pair = { client, server, frozen: this.blackHole };
    this.#pairs.add(pair);
    this.#carry(pair, client, server);
    this.#carry(pair, server, client);
    const closed = () => {
      if (client.closed && server.closed) this.#pairs.delete(pair);
    };
    client.on('close', closed);
    server.on('close', closed);
  }

  #carry(pair: Pair, from: Socket, to: Socket): void {
    const frozen = () => pair.frozen === true || pair.frozen === to;
    from.on('error', () => frozen() || to.destroy());
    from.on('data', (chunk: Buffer) => {
      if (frozen()) return;
      if (this.bytesPerSecond === Number.POSITIVE_INFINITY) to.write(chunk);
      else this.#dawdle(pair, from, to, chunk);
    });
    from.on('end', () => frozen() || this.#after(from, () => to.end()));
    from.on('close', () => {
      if (!frozen() && !from.readableEnded) to.destroy();
    });
  }

  /** Passes a chunk on bit by bit; the next one is read when this one is through. */
  #dawdle(pair: Pair, from: Socket, to: Socket, chunk: Buffer): void {
    let rest = chunk;
    let sentAt = performance.now();
    from.pause();
    const timer = setInterval(() => {
      if (pair.frozen || to.destroyed) rest = Buffer.alloc(0);
      const part = rest.subarray(0, ((performance.now() - sentAt) / 1000) * this.bytesPerSecond);
      sentAt = performance.now();
      rest = rest.subarray(part.length);
      if (part.length > 0) to.write(part);
      if (rest.length > 0) return;
      clearInterval(timer);
      this.#timers.delete(timer);
      from.resume();
    }, 20);
    this.#timers.add(timer);
  }

  /** A paused socket has something under way: its end comes after that. */
  #after(from: Socket, act: () => void): void {
    if (from.isPaused()) from.once('resume', act);
    else act();
  }
}
