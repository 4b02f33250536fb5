// Streams through a scripted engine: ask for a dial-back, take both ends, move bytes.

import type { Duplex } from 'node:stream';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ProxyConnReqSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Tunnel } from '../../src/rstream/client-types.ts';
import type { ByteStream } from '../../src/rstream/stream.ts';
import type { EngineSide } from './engine-side.ts';
import type { OpenChannel, ScriptedEngine } from './scripted-engine.ts';

let streamCount = 0;

export function newStreamId(): string {
  streamCount += 1;
  return streamCount.toString(16).padStart(24, '0');
}

/** What `promise` was rejected with; fails when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}

/** Asks for a dial-back and takes the connection and its ProxyReq. */
export async function dialBack(
  engine: ScriptedEngine,
  control: EngineSide,
  request: MessageInitShape<typeof ProxyConnReqSchema> = {},
) {
  control.send({
    case: 'proxyConnReq',
    value: { tunnelId: 't1', streamId: newStreamId(), secret: 'stream-secret', ...request },
  });
  const dialled = await engine.next();
  return { dialled, proxyReq: await dialled.proxyReq() };
}

/** A stream with both its ends: `dialled` is the engine's, `stream` the client's. */
export async function acceptStream(engine: ScriptedEngine, { control }: OpenChannel, tunnel: Tunnel) {
  const accepting = acceptBytes(tunnel);
  const { dialled, proxyReq } = await dialBack(engine, control, { tunnelId: tunnel.id });
  const stream = await accepting;
  return { dialled, proxyReq, stream };
}

export async function acceptBytes(tunnel: Tunnel): Promise<ByteStream> {
  const stream = await tunnel.accept();
  if (stream?.kind !== 'bytes') throw new Error(`expected a stream of bytes, got ${stream?.kind}`);
  return stream;
}

/** Sends everything back. */
export function echo({ connection }: ByteStream): void {
  connection.stream.pipe(connection.stream);
}

/** The next `count` bytes of a stream. */
export function readBytes(stream: Duplex, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < count) return;
      stream.off('data', onData).pause();
      if (received.length > count) stream.unshift(received.subarray(count));
      resolve(received.subarray(0, count));
    };
    stream.on('data', onData);
    stream.once('close', () => reject(new Error('the stream closed')));
    stream.resume();
  });
}
