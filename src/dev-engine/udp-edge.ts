// Published datagram tunnels: a visitor's first packet, the ClientHello of QUIC or DTLS, names the tunnel; from then on every
// packet of that address is one flow to it. The TLS inside is the Service's own. Bounded in flows and in packets that wait.

import type { Clock, Timer } from '../common/clock.ts';
import type { PacketChannel } from '../rstream/packet-channel.ts';
import type { QuicPeer } from '../rstream/quic-native.ts';
import { parseDtlsHello } from './client-hello.ts';
import type { PacketBroker } from './packet-broker.ts';
import type { Routes } from './routes.ts';
import type { Tunnel } from './tunnel.ts';
import { plainAddress } from './visitor-access.ts';

export interface UdpEdgeOptions {
  readonly clock: Clock;
  readonly routes: Pick<Routes, 'routeOf' | 'peek' | 'pick'>;
  readonly broker: Pick<PacketBroker, 'openPackets'>;
  readonly send: (packet: Buffer, to: QuicPeer) => void;
  /** Silence in both directions that ends a flow. */
  readonly idleMs: number;
  readonly maxFlows: number;
}

/** Packets of a flow whose agent has not answered yet. */
const maxWaiting = 64;

export class UdpEdge {
  readonly #options: UdpEdgeOptions;
  readonly #flows = new Map<string, Flow>();

  constructor(options: UdpEdgeOptions) {
    this.#options = options;
  }

  get flows(): number {
    return this.#flows.size;
  }

  /** True when the packet belongs to a visitor: of a flow there is, or one that begins with it. */
  intercept(packet: Buffer, from: QuicPeer): boolean {
    const flow = this.#flows.get(keyOf(from));
    if (flow) {
      flow.fromVisitor(packet);
      return true;
    }
    const serverName = parseDtlsHello(packet);
    if (serverName === undefined || !this.isTunnel(serverName)) return false;
    this.begin(serverName, [packet], from);
    return true;
  }

  isTunnel(serverName: string): boolean {
    return this.#tunnel(serverName, 'peek') !== undefined;
  }

  begin(serverName: string, packets: readonly Buffer[], from: QuicPeer): void {
    const tunnel = this.#tunnel(serverName, 'pick');
    if (!tunnel || this.#flows.size >= this.#options.maxFlows) return;
    if (tunnel.checkAddress(plainAddress(from.host))) return;
    const key = keyOf(from);
    const flow = new Flow(this.#options, tunnel, from);
    this.#flows.set(key, flow);
    flow.over.then(() => this.#flows.delete(key));
    for (const packet of packets) flow.fromVisitor(packet);
  }

  close(): void {
    for (const flow of this.#flows.values()) flow.end();
  }

  #tunnel(serverName: string, how: 'peek' | 'pick'): Tunnel | undefined {
    const { routes } = this.#options;
    const route = routes.routeOf(serverName);
    const tunnel = route === undefined ? undefined : routes[how](route);
    return tunnel?.properties.type === 'datagram' ? tunnel : undefined;
  }
}

class Flow {
  readonly over: Promise<void>;
  readonly #options: UdpEdgeOptions;
  readonly #gone = new AbortController();
  readonly #waiting: Buffer[] = [];
  #channel: PacketChannel | undefined;
  #activeAt: number;
  #timer: Timer | undefined;

  constructor(options: UdpEdgeOptions, tunnel: Tunnel, visitor: QuicPeer) {
    this.#options = options;
    this.#activeAt = options.clock.now();
    this.#watch(options.idleMs);
    // A visitor whose flow fails says hello again and gets another one.
    this.over = this.#run(tunnel, visitor).then(
      () => this.end(),
      () => this.end(),
    );
  }

  fromVisitor(packet: Buffer): void {
    this.#activeAt = this.#options.clock.now();
    if (this.#channel) this.#channel.send(packet);
    else if (this.#waiting.length < maxWaiting) this.#waiting.push(packet);
  }

  end(): void {
    this.#timer?.cancel();
    this.#gone.abort();
    this.#channel?.close();
  }

  async #run(tunnel: Tunnel, visitor: QuicPeer): Promise<void> {
    const { broker, clock, send } = this.#options;
    const channel = await broker.openPackets(tunnel, plainAddress(visitor.host), this.#gone.signal);
    if (this.#gone.signal.aborted) return channel.close();
    this.#channel = channel;
    channel.receive((packet) => {
      this.#activeAt = clock.now();
      // Copied: the memory is the reader's, and the socket may send later.
      send(Buffer.from(packet), visitor);
    });
    for (const packet of this.#waiting.splice(0)) channel.send(packet);
    await channel.closed;
  }

  #watch(afterMs: number): void {
    const { clock, idleMs } = this.#options;
    this.#timer = clock.after(
      afterMs,
      () => {
        const leftMs = this.#activeAt + idleMs - clock.now();
        if (leftMs <= 0) this.end();
        else this.#watch(leftMs);
      },
      { unref: true },
    );
  }
}

function keyOf({ host, port }: QuicPeer): string {
  return `${host} ${port}`;
}
