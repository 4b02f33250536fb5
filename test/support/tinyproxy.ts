// A real HTTP proxy, tinyproxy, on loopback; with `secure`, behind TLS that is ended in front of it.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { serverCertificate } from './certificates.ts';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';

export interface TinyproxyOptions {
  readonly secure?: boolean;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Ports CONNECT is allowed to; default: every one. */
  readonly connectPorts?: readonly number[];
}

export class Tinyproxy {
  readonly url: string;
  /** The authority of its certificate. */
  readonly ca: string;
  readonly #folder: string;
  readonly #daemon: Daemon;
  readonly #front: Server | undefined;

  static async start({
    secure = false,
    credentials,
    connectPorts = [],
  }: TinyproxyOptions = {}): Promise<Tinyproxy> {
    const folder = mkdtempSync(join(tmpdir(), 'rstream-tinyproxy-'));
    const { from: port } = await freePorts(1);
    const lines = [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Allow 127.0.0.1',
      'LogLevel Info',
      ...(credentials ? [`BasicAuth ${credentials.username} ${credentials.password}`] : []),
      ...connectPorts.map((allowed) => `ConnectPort ${allowed}`),
    ];
    writeFileSync(join(folder, 'tinyproxy.conf'), `${lines.join('\n')}\n`);
    const daemon = new Daemon({
      command: 'tinyproxy',
      args: ['-d', '-c', join(folder, 'tinyproxy.conf')],
      logFile: join(folder, 'log'),
    });
    const { ca, cert, key } = await serverCertificate();
    const front = secure ? await tlsFront(cert, key, port) : undefined;
    const url = front
      ? `https://localhost:${(front.address() as AddressInfo).port}`
      : `http://127.0.0.1:${port}`;
    const proxy = new Tinyproxy({ url, ca, folder, daemon, front });
    await eventually('tinyproxy accepts connections', () => accepts(port));
    return proxy;
  }

  private constructor(parts: {
    readonly url: string;
    readonly ca: string;
    readonly folder: string;
    readonly daemon: Daemon;
    readonly front: Server | undefined;
  }) {
    this.url = parts.url;
    this.ca = parts.ca;
    this.#folder = parts.folder;
    this.#daemon = parts.daemon;
    this.#front = parts.front;
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  async stop(): Promise<void> {
    this.#front?.close();
    await this.#daemon.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function tlsFront(cert: string, key: string, port: number): Promise<Server> {
  const front = createServer({ cert, key, allowHalfOpen: true }, (visitor) => {
    const proxy = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    visitor.on('error', () => proxy.destroy());
    proxy.on('error', () => visitor.destroy());
    visitor.pipe(proxy).pipe(visitor);
  });
  front.on('tlsClientError', () => {});
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  return front;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
