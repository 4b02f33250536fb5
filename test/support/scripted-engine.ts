// A real TLS server that does nothing by itself: the test takes its connections one by one and plays the engine on them.

import { randomBytes } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  OpenControlChannelRsp_Ok,
  OpenControlChannelRsp_OkSchema,
  TunnelPropertiesSchema,
} from '../../generated/protobuf/rstream_pb.js';
import { systemClock } from '../../src/common/clock.ts';
import type { ControlChannel, ControlChannelOptions, Tunnel } from '../../src/rstream/client-types.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import type { EngineAddress } from '../../src/rstream/engine-address.ts';
import { TlsTransport, type TlsTransportOptions } from '../../src/rstream/tls-transport.ts';
import type { TunnelRequest } from '../../src/rstream/tunnel-properties.ts';
import { serverCertificate } from './certificates.ts';
import { EngineSide } from './engine-side.ts';

export type OkInit = MessageInitShape<typeof OpenControlChannelRsp_OkSchema>;

export class ScriptedEngine {
  readonly address: EngineAddress;
  readonly ca: string;
  /** Every connection that finished its TLS handshake. */
  readonly connections: EngineSide[] = [];
  readonly #waiting: ((side: EngineSide) => void)[] = [];
  readonly #untaken: EngineSide[] = [];
  /** Refuses every TLS session ticket given out so far. */
  readonly refuseTickets: () => void;
  readonly #sockets: Set<Socket>;
  readonly #stop: () => Promise<void>;

  private constructor(address: EngineAddress, ca: string, server: Server, sockets: Set<Socket>) {
    this.address = address;
    this.ca = ca;
    this.refuseTickets = () => server.setTicketKeys(randomBytes(48));
    this.#sockets = sockets;
    this.#stop = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
  }

  /** Listens on a free port of the loopback interface; `host` is the name clients use. */
  static async start(options: TlsOptions & { readonly host?: string } = {}): Promise<ScriptedEngine> {
    const { ca, cert, key } = await serverCertificate();
    const sockets = new Set<Socket>();
    const server = createServer({ cert, key, ALPNProtocols: ['rstrm/1'], allowHalfOpen: true, ...options });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const engine = new ScriptedEngine({ host: options.host ?? 'localhost', port }, ca, server, sockets);
    server.on('secureConnection', (socket: TLSSocket) => engine.#accept(new EngineSide(socket)));
    return engine;
  }

  /** The next connection nobody took yet. */
  next(): Promise<EngineSide> {
    const side = this.#untaken.shift();
    return side ? Promise.resolve(side) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Connections nobody took. */
  get untaken(): number {
    return this.#untaken.length;
  }

  transport(options: TlsTransportOptions = {}): TlsTransport {
    const material = { ca: this.ca };
    return new TlsTransport({ material: () => material, ...options });
  }

  options(overrides: Partial<ControlChannelOptions> = {}): ControlChannelOptions {
    return {
      engine: this.address,
      transport: this.transport(),
      clock: systemClock,
      token: 'account-token',
      heartbeatIntervalMs: 'off',
      ...overrides,
    };
  }

  /** A channel whose request was answered with ok. */
  async open(overrides: Partial<ControlChannelOptions> = {}, ok: OkInit = {}): Promise<OpenChannel> {
    const opening = openControlChannel(this.options(overrides));
    opening.catch(() => {});
    const control = await this.next();
    await control.expect('openControlChannelReq');
    control.send(okResponse(ok));
    return { channel: await opening, control };
  }

  /** Sends its clients bytes that are no TLS. */
  garble(): void {
    for (const socket of this.#sockets) socket.write(Buffer.alloc(64, 0xff));
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  #accept(side: EngineSide): void {
    this.connections.push(side);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(side);
    else this.#untaken.push(side);
  }
}

export interface OpenChannel {
  readonly channel: ControlChannel;
  readonly control: EngineSide;
}

export function okResponse(ok: OkInit = {}) {
  const value: OkInit = { clientId: 'cli_1', ...(ok as Partial<OpenControlChannelRsp_Ok>) };
  return { case: 'openControlChannelRsp', value: { payload: { case: 'ok', value } } } as const;
}

/** Opens a tunnel and answers its request with these properties (an id of its own unless given). */
export async function openTunnel(
  { channel, control }: OpenChannel,
  request: TunnelRequest = { publish: false },
  properties: MessageInitShape<typeof TunnelPropertiesSchema> = {},
): Promise<Tunnel> {
  const opening = channel.openTunnel(request);
  opening.catch(() => {});
  const { requestId } = await control.skipTo('openTunnelReq');
  control.send({
    case: 'openTunnelRsp',
    value: {
      requestId,
      payload: { case: 'tunnelProperties', value: { id: 't1', type: 'bytestream', ...properties } },
    },
  });
  return opening;
}
