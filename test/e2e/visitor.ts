// What a visitor of a published name does from this machine: HTTP/1.1 requests and WebSockets over TLS, verified by name.

import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import type { DemoCluster } from './demo-cluster.ts';

/** Opens TLS to the engine under the tunnel's name; fails unless the certificate is the engine's and names it. */
function dial(cluster: DemoCluster): TLSSocket {
  return connect({
    host: cluster.engineHost,
    port: cluster.enginePort,
    servername: cluster.hostname,
    ca: cluster.certificate,
    ALPNProtocols: ['http/1.1'],
  });
}

export interface Answer {
  readonly status: number | undefined;
  readonly length: number;
  readonly digest: string;
  /** The first kilobyte. */
  readonly start: string;
}

/** Sends the body, if any, and reads the answer while it still sends. */
export async function visit(cluster: DemoCluster, path: string, body?: Iterable<Buffer>): Promise<Answer> {
  const outgoing = request({
    createConnection: () => dial(cluster),
    method: body ? 'POST' : 'GET',
    path,
    headers: { host: cluster.hostname },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
  });
  if (body) Readable.from(body, { objectMode: true }).pipe(outgoing);
  else outgoing.end();

  const response = await answered;
  const hash = createHash('sha256');
  let length = 0;
  let start = '';
  for await (const chunk of response) {
    hash.update(chunk);
    length += chunk.length;
    if (start.length < 1024) start += chunk.toString('latin1');
  }
  return { status: response.statusCode, length, digest: hash.digest('hex'), start };
}

/** Sends each message over one WebSocket and returns what came back for each. */
export async function webSocketEcho(
  cluster: DemoCluster,
  messages: readonly string[],
): Promise<readonly string[]> {
  const socket = new WebSocket(`ws://${cluster.hostname}/`, { createConnection: () => dial(cluster) });
  const received: string[] = [];
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => resolve(received));
    socket.on('open', () => {
      for (const message of messages) socket.send(message);
    });
    socket.on('message', (data) => {
      received.push(data.toString());
      if (received.length === messages.length) socket.close();
    });
  });
}

/** `count` pieces of 1 MiB that never repeat, and the digest of all of them. */
export function testBody(count: number): { readonly digest: string; pieces(): Generator<Buffer> } {
  function* pieces(): Generator<Buffer> {
    for (let index = 0; index < count; index += 1) {
      const piece = Buffer.alloc(2 ** 20);
      for (let at = 0; at < piece.length; at += 4)
        piece.writeUInt32LE((index * 2_654_435_761 + at * 40_503) >>> 0, at);
      yield piece;
    }
  }
  const hash = createHash('sha256');
  for (const piece of pieces()) hash.update(piece);
  return { digest: hash.digest('hex'), pieces };
}
