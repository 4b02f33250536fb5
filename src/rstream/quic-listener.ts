// The engine's end of QUIC: one UDP socket, many connections told apart by their ids, and every stream a client opens handed
// out as a connection. Bounded; packets that fit nothing are dropped.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../common/clock.ts';
import { streamConnection } from './connection.ts';
import { PendingClient } from './quic-admission.ts';
import { quicConfig } from './quic-config.ts';
import { QuicConnection } from './quic-connection.ts';
import { type NativeConfig, nativeQuic, type QuicPeer } from './quic-native.ts';
import type { TlsMaterial } from './tls-options.ts';
import type { EngineConnection } from './transport.ts';
import { bindUdp, type UdpSocket } from './udp-socket.ts';

export interface QuicListenerOptions {
  readonly host: string;
  readonly port: number;
  /** The server's certificate and key; with a CA, clients are asked for certificates of it. */
  readonly material: TlsMaterial;
  readonly clock: Clock;
  /** Every stream of every client. */
  readonly onConnection: (connection: EngineConnection, client: QuicClient) => void;
  /** Takes packets that belong to somebody else; called for each one first. Default: none do. */
  readonly intercept?: (packet: Buffer, from: QuicPeer) => boolean;
  /** Whether a server name is somebody else's, who then gets the packets of its clients by `onForeign`. */
  readonly isForeign?: (serverName: string) => boolean;
  readonly onForeign?: (serverName: string, packets: readonly Buffer[], from: QuicPeer) => void;
}

export interface QuicClient {
  readonly connection: QuicConnection;
  readonly address: QuicPeer;
}

export interface QuicListener {
  readonly port: number;
  /** Live client connections. */
  readonly connections: ReadonlySet<QuicConnection>;
  send(packet: Buffer, to: QuicPeer): void;
  close(): Promise<void>;
}

const idBytes = 20;
const maxConnections = 4_096;
const maxPending = 1_024;

export async function listenQuic(options: QuicListenerOptions): Promise<QuicListener> {
  const config = quicConfig(options.material, { role: 'server', incomingStreams: 4_096 });
  const udp = await bindUdp(options.host.includes(':') ? 6 : 4, {
    address: options.host,
    port: options.port,
  });
  const accepting = new Acceptor(options, udp, config);
  udp.socket.on('message', (packet, { address, port }) => {
    const from = { host: address, port };
    if (!options.intercept?.(packet, from)) accepting.receive(packet, from);
  });

  const close = async () => {
    for (const connection of [...accepting.connections]) connection.close('the engine is closing');
    await new Promise<void>((resolve) => setImmediate(() => udp.socket.close(() => resolve())));
  };
  const send = (packet: Buffer, to: QuicPeer) => void udp.send(packet, to);
  return { port: udp.local.port, connections: accepting.connections, send, close };
}

class Acceptor {
  readonly connections = new Set<QuicConnection>();
  readonly #options: QuicListenerOptions;
  readonly #udp: UdpSocket;
  readonly #config: NativeConfig;
  readonly #byId = new Map<string, QuicConnection>();
  readonly #pending = new Map<string, { readonly id: string; readonly client: PendingClient }>();

  constructor(options: QuicListenerOptions, udp: UdpSocket, config: NativeConfig) {
    this.#options = options;
    this.#udp = udp;
    this.#config = config;
  }

  receive(packet: Buffer, from: QuicPeer): void {
    const header = parseHeader(packet);
    if (!header) return;
    const connection = this.#byId.get(header.id);
    if (connection) connection.receive(packet, from);
    else if (header.initial) this.#admit(header.id, packet, from);
  }

  #admit(originalId: string, packet: Buffer, from: QuicPeer): void {
    const { isForeign = () => false, onForeign } = this.#options;
    const pending = this.#pending.get(originalId) ?? this.#begin(originalId, from);
    if (!pending) return;
    const admission = pending.client.receive(packet, { from, to: this.#udp.local }, isForeign);
    if (admission.kind === 'undecided') return;
    this.#pending.delete(originalId);
    if (admission.kind === 'foreign') {
      onForeign?.(admission.serverName, admission.packets, from);
      return;
    }
    if (admission.answer) this.#udp.send(admission.answer, from);
    this.#accept([originalId, pending.id], pending.client, from);
  }

  #begin(originalId: string, from: QuicPeer) {
    if (this.connections.size >= maxConnections) return undefined;
    const id = randomBytes(idBytes);
    const native = nativeQuic().Connection.accept(id, null, this.#udp.local, from, this.#config);
    const pending = { id: keyOf(id), client: new PendingClient(native) };
    this.#pending.set(originalId, pending);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > maxPending && oldest !== undefined) this.#pending.delete(oldest);
    return pending;
  }

  #accept(ids: readonly string[], { native }: PendingClient, address: QuicPeer): void {
    const connection: QuicConnection = new QuicConnection({
      role: 'server',
      native,
      local: this.#udp.local,
      clock: this.#options.clock,
      send: this.#udp.send,
      onStream: (stream) => {
        const datagrams = connection.hasDatagrams ? connection.datagrams : undefined;
        const base = streamConnection('quic', stream, datagrams);
        this.#options.onConnection({ ...base, reset: () => stream.reset() }, { connection, address });
      },
    });
    for (const id of ids) this.#byId.set(id, connection);
    this.connections.add(connection);
    connection.closed.then(() => {
      for (const id of ids) this.#byId.delete(id);
      this.connections.delete(connection);
    });
  }
}

/** RFC 9000 section 17: which connection a packet is for, and whether it may begin one. */
function parseHeader(packet: Buffer): { readonly id: string; readonly initial: boolean } | undefined {
  const [first = 0] = packet;
  if ((first & 0x80) === 0) {
    return packet.length > idBytes
      ? { id: keyOf(packet.subarray(1, 1 + idBytes)), initial: false }
      : undefined;
  }
  const length = packet[5] ?? 0;
  if (length > idBytes || packet.length < 6 + length) return undefined;
  const initial = (first & 0x30) === 0 && nativeQuic().versionIsSupported(packet.readUInt32BE(1));
  return { id: keyOf(packet.subarray(6, 6 + length)), initial };
}

function keyOf(id: Buffer): string {
  return id.toString('latin1');
}
