// A server in the engine's place that answers each connection with another kind of nonsense, over TLS with a good certificate
// and without TLS.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { encodeFrame } from '../../src/rstream/frame.ts';
import { encodeMessage } from '../../src/rstream/messages.ts';
import { okResponse } from './scripted-engine.ts';

type Nonsense = (socket: Socket) => void;

const afterAnswer = (more: Uint8Array): Nonsense => {
  const liveness = { heartbeatIntervalMs: 5_000, heartbeatTimeoutMs: 15_000 };
  return (socket) => void socket.write(Buffer.concat([encodeMessage(okResponse({ liveness })), more]));
};

const overTls: readonly Nonsense[] = [
  (socket) => socket.write(randomBytes(64 * 1024)),
  (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  // A frame of four gigabytes, one that is no message, empty ones without end.
  (socket) => socket.write(Buffer.alloc(4, 0xff)),
  (socket) => socket.write(encodeFrame(Buffer.from([0xff]))),
  (socket) => socket.write(Buffer.concat(Array(1_000).fill(encodeFrame(Buffer.alloc(0))))),
  // The same once the channel is open.
  afterAnswer(randomBytes(64 * 1024)),
  afterAnswer(Buffer.alloc(4, 0xff)),
  afterAnswer(encodeFrame(Buffer.from([0xff]))),
  (socket) => socket.end(),
  (socket) => socket.destroy(),
];

const plain: readonly Nonsense[] = [
  (socket) => socket.write(randomBytes(4_096)),
  (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
  (socket) => socket.resetAndDestroy(),
];

export class GarbageEngine {
  /** Kinds of nonsense there are. */
  static readonly kinds = overTls.length + plain.length;
  /** Connections answered so far. */
  answered = 0;
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async start(certificate: { readonly cert: string; readonly key: string }): Promise<GarbageEngine> {
    const sockets = new Set<Socket>();
    const secure = createTlsServer({ ...certificate, ALPNProtocols: ['rstrm/1'] });
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
      const kind = engine.answered++ % GarbageEngine.kinds;
      const nonsense = plain[kind - overTls.length];
      if (nonsense) nonsense(socket);
      else secure.emit('connection', socket);
    });
    let secured = 0;
    secure.on('tlsClientError', () => {});
    secure.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => overTls[secured++ % overTls.length]?.(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    };
    const engine = new GarbageEngine((server.address() as AddressInfo).port, close);
    return engine;
  }

  close(): Promise<void> {
    return this.#close();
  }
}
