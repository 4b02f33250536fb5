// A client that says exactly what the test tells it to: frames or bytes over TLS, and a small agent made of it that opens
// tunnels and answers each ProxyConnReq with a dial-back.

import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ClientDetailsSchema,
  Message,
  OpenTunnelRsp,
  ProxyConnReq,
  TunnelProperties,
  TunnelPropertiesSchema,
} from '../../generated/protobuf/rstream_pb.js';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { decodeMessage, encodeMessage, type Payload } from '../../src/rstream/messages.ts';

export interface RawOptions {
  /** Default `rstrm/1`; an empty list offers none. */
  readonly alpn?: readonly string[];
  /** Default: no SNI, as towards an IP address. */
  readonly serverName?: string;
  readonly cert?: string;
  readonly key?: string;
}

type Received = Message['payload'];
type Kind = NonNullable<Received['case']>;
type ValueOf<C extends Kind> = Extract<Received, { case: C }>['value'];

/** Everything received is kept until asked for. */
export class RawConnection {
  readonly socket: TLSSocket;
  #buffer = Buffer.alloc(0);
  #ended = false;
  #waiting: (() => void)[] = [];

  /** Resolves after the TLS handshake. */
  static async connect(engine: Engine, options: RawOptions = {}): Promise<RawConnection> {
    const { alpn = ['rstrm/1'], serverName, cert, key } = options;
    const settings: ConnectionOptions & { allowHalfOpen: boolean } = {
      host: '127.0.0.1',
      port: engine.port,
      ca: engine.authority.certificate,
      allowHalfOpen: true,
      checkServerIdentity: () => undefined,
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      ...(serverName && { servername: serverName }),
      ...(cert && key && { cert, key }),
    };
    const socket = connectTls(settings);
    const connection = new RawConnection(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject);
    });
    return connection;
  }

  constructor(socket: TLSSocket) {
    this.socket = socket;
    const wake = () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resume of waiting) resume();
    };
    const end = () => {
      this.#ended = true;
      wake();
    };
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      wake();
    });
    socket.on('end', end).on('close', end);
  }

  send(payload: Payload): void {
    this.socket.write(encodeMessage(payload));
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** The next frame's payload; rejects when the connection ends first. */
  async next(): Promise<Received> {
    const header = await this.read(4);
    const message = decodeMessage(await this.read(header.readUInt32BE(0)));
    if (message instanceof Error) throw message;
    return message.payload;
  }

  /** The next payload, which has to be of this kind. */
  async expect<C extends Kind>(kind: C): Promise<ValueOf<C>> {
    const payload = await this.next();
    if (payload.case !== kind) throw new Error(`got ${payload.case} instead of ${kind}`);
    return payload.value as unknown as ValueOf<C>;
  }

  /** Exactly this many bytes. */
  async read(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (this.#ended) throw new Error(`the connection ended after ${this.#buffer.length} of ${count} bytes`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  /** Everything up to the end. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.read(this.#buffer.length);
  }

  close(): void {
    this.socket.destroy();
  }
}

type Details = MessageInitShape<typeof ClientDetailsSchema>;

export const details = (token?: string): Details => ({
  agent: 'test',
  version: '1.0.0',
  protocolVersion: '1.4.5',
  ...(token !== undefined && { token }),
});

export interface AgentOptions extends RawOptions {
  readonly token?: string;
  /** Default true. */
  readonly zeroRtt?: boolean;
  /** What to do with a dialled-back stream, paused; default: echo. */
  readonly onStream?: (socket: TLSSocket, request: ProxyConnReq) => void;
  /** Answers every request for a stream with this error instead. */
  readonly refusal?: string;
}

/** Opens a control channel and serves its tunnels. */
export class RawAgent {
  readonly control: RawConnection;
  readonly clientId: string;
  readonly requests: ProxyConnReq[] = [];
  readonly #engine: Engine;
  readonly #options: AgentOptions;
  readonly #answers: ((response: OpenTunnelRsp) => void)[] = [];
  readonly #closed: string[] = [];
  #ended = false;

  static async start(engine: Engine, options: AgentOptions = {}): Promise<RawAgent> {
    const control = await RawConnection.connect(engine, options);
    const clientDetails = details(options.cert ? undefined : (options.token ?? 'T'));
    control.send({ case: 'openControlChannelReq', value: { clientDetails } });
    const { payload } = await control.expect('openControlChannelRsp');
    if (payload.case !== 'ok') throw new Error(`refused: ${payload.value?.message}`);
    return new RawAgent(engine, control, payload.value.clientId, options);
  }

  private constructor(engine: Engine, control: RawConnection, clientId: string, options: AgentOptions) {
    this.#engine = engine;
    this.control = control;
    this.clientId = clientId;
    this.#options = options;
    this.#serve().catch(() => {
      this.#ended = true;
    });
  }

  /** Ids of tunnels the engine said were closed. */
  get closedTunnels(): readonly string[] {
    return this.#closed;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The effective properties; rejects with the refusal's text, its `code` being the protocol's number. */
  async open(tunnelProperties: MessageInitShape<typeof TunnelPropertiesSchema>): Promise<TunnelProperties> {
    const answer = new Promise<OpenTunnelRsp>((resolve) => this.#answers.push(resolve));
    this.control.send({ case: 'openTunnelReq', value: { requestId: 'r', tunnelProperties } });
    const { payload } = await answer;
    if (payload.case === 'tunnelProperties') return payload.value;
    throw Object.assign(new Error(payload.value?.message), { code: payload.value?.code });
  }

  async #serve(): Promise<void> {
    for (;;) {
      const payload = await this.control.next();
      if (payload.case === 'openTunnelRsp') this.#answers.shift()?.(payload.value);
      if (payload.case === 'closeTunnelRsp') this.#closed.push(payload.value.tunnelId);
      if (payload.case === 'proxyConnReq') {
        this.requests.push(payload.value);
        this.#dialBack(payload.value).catch(() => {});
      }
    }
  }

  async #dialBack(request: ProxyConnReq): Promise<void> {
    const zeroRtt = this.#options.zeroRtt ?? true;
    const { onStream = echo, refusal } = this.#options;
    const { streamId, secret } = request;
    if (refusal !== undefined) {
      this.control.send({ case: 'proxyConnRsp', value: { streamId, error: { message: refusal } } });
      return;
    }
    const proxy = await RawConnection.connect(this.#engine, this.#options);
    proxy.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId, zeroRtt } });
    if (!zeroRtt) await proxy.expect('proxyRsp');
    proxy.socket.removeAllListeners('data');
    proxy.socket.pause();
    const early = await proxy.read(0);
    if (early.length > 0) proxy.socket.unshift(early);
    onStream(proxy.socket, request);
    this.control.send({ case: 'proxyConnRsp', value: { streamId } });
  }

  close(): void {
    this.control.close();
  }
}

export function echo(socket: TLSSocket): void {
  socket.pipe(socket);
}
