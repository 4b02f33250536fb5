// The engine's end of QUIC: one UDP socket, many connections told apart by their ids, and every stream a client opens handed
// out as a connection. Bounded; packets that fit nothing are dropped.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../common/clock.ts';
import { streamConnection } from './connection.ts';
import { quicConfig } from './quic-config.ts';
import { QuicConnection } from './quic-connection.ts';
import { type NativeConfig, nativeQuic, type QuicPeer } from './quic-native.ts';
import type { TlsMaterial } from './tls-options.ts';
import type { EngineConnection } from './transport.ts';
import { bindUdp, type UdpSocket } from './udp-socket.ts';

export interface QuicListenerOptions {
  readonly host: string;
  readonly port: number;
  /** The server's certificate and key. */
  readonly material: TlsMaterial;
  readonly clock: Clock;
  /** Every stream of every client. */
  readonly onConnection: (connection: EngineConnection, peer: QuicConnection) => void;
}

export interface QuicListener {
  readonly port: number;
  /** Live client connections. */
  readonly connections: ReadonlySet<QuicConnection>;
  close(): Promise<void>;
}

const idBytes = 20;
const maxConnections = 4_096;

export async function listenQuic(options: QuicListenerOptions): Promise<QuicListener> {
  const config = quicConfig(options.material, { role: 'server', incomingStreams: 4_096 });
  const udp = await bindUdp(options.host.includes(':') ? 6 : 4, {
    address: options.host,
    port: options.port,
  });
  const accepting = new Acceptor(options, udp, config);
  udp.socket.on('message', (packet, { address, port }) => accepting.receive(packet, { host: address, port }));

  const close = async () => {
    for (const connection of [...accepting.connections]) connection.close('the engine is closing');
    await new Promise<void>((resolve) => setImmediate(() => udp.socket.close(() => resolve())));
  };
  return { port: udp.local.port, connections: accepting.connections, close };
}

class Acceptor {
  readonly connections = new Set<QuicConnection>();
  readonly #options: QuicListenerOptions;
  readonly #udp: UdpSocket;
  readonly #config: NativeConfig;
  readonly #byId = new Map<string, QuicConnection>();

  constructor(options: QuicListenerOptions, udp: UdpSocket, config: NativeConfig) {
    this.#options = options;
    this.#udp = udp;
    this.#config = config;
  }

  receive(packet: Buffer, from: QuicPeer): void {
    const header = parseHeader(packet);
    if (!header) return;
    const connection =
      this.#byId.get(header.id) ?? (header.initial ? this.#accept(header.id, from) : undefined);
    connection?.receive(packet, from);
  }

  #accept(originalId: string, from: QuicPeer): QuicConnection | undefined {
    if (this.connections.size >= maxConnections) return undefined;
    const id = randomBytes(idBytes);
    const { local, send } = this.#udp;
    const connection: QuicConnection = new QuicConnection({
      role: 'server',
      native: nativeQuic().Connection.accept(id, null, local, from, this.#config),
      local,
      clock: this.#options.clock,
      send,
      onStream: (stream) => {
        const datagrams = connection.hasDatagrams ? connection.datagrams : undefined;
        const base = streamConnection('quic', stream, datagrams);
        this.#options.onConnection({ ...base, reset: () => stream.reset() }, connection);
      },
    });
    const keys = [originalId, keyOf(id)];
    for (const key of keys) this.#byId.set(key, connection);
    this.connections.add(connection);
    connection.closed.then(() => {
      for (const key of keys) this.#byId.delete(key);
      this.connections.delete(connection);
    });
    return connection;
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
