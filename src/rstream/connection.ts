// Connections as a transport hands them out: sockets and other duplex streams behind one way of reading, `readInto`.

import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PacketChannels } from './packet-channel.ts';
import { property } from './property.ts';
import type { ByteSink, EngineConnection } from './transport.ts';

/** Reads that nobody took over go through one buffer for all sockets: each is copied out before the next one happens. */
const sharedBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * The reading end of a socket that is yet to be made: pass `onread` to it, then `attach` it. Until a sink takes over, the
 * socket is an ordinary stream.
 */
export class SocketReader {
  #socket: Duplex | undefined;
  #sink: ByteSink | undefined;

  readonly onread: OnReadOpts = {
    buffer: () => this.#sink?.buffer() ?? sharedBuffer,
    callback: (bytes, buffer) => {
      if (this.#sink) return this.#sink.received(bytes, buffer);
      return this.#socket?.push(Buffer.from(buffer.subarray(0, bytes))) ?? false;
    },
  };

  attach(socket: Duplex): void {
    this.#socket = socket;
    socket.once('close', () => this.#letGo());
  }

  /** From the next read on, bytes land in the sink's memory; what the stream holds goes there first. */
  readInto(sink: ByteSink): void {
    if (this.#socket) drainInto(this.#socket, sink);
    this.#sink = sink;
  }

  #letGo(): void {
    this.#socket = undefined;
    this.#sink = undefined;
  }
}

/**
 * Makes a failure of the socket its 'close', and no more. Node itself does so but for TLS after the handshake: of a record that
 * is none, or an alert, it only tells. The listener holds on to nothing: V8 frees sockets that are closed, and all that they
 * still reach, only in full collections ([measured](../../docs/benchmarks.md)).
 */
export function closeOnError(socket: Duplex): void {
  socket.on('error', close);
}

function close(this: Duplex, error: Error): void {
  this.destroy(error);
}

/** A connection over a socket whose reads go through `reader`. */
export function socketConnection(stream: Duplex, reader: SocketReader): EngineConnection {
  return {
    mode: 'tls',
    stream,
    datagrams: undefined,
    readInto: (sink) => reader.readInto(sink),
    reset: () => resetSocket(stream),
  };
}

/** A connection over any other stream: `readInto` copies. */
export function streamConnection(
  mode: EngineConnection['mode'],
  stream: Duplex,
  datagrams?: PacketChannels,
): EngineConnection {
  const readInto = (sink: ByteSink) => {
    if (!drainInto(stream, sink)) stream.pause();
    stream.on('data', (chunk: Buffer) => {
      if (!copyInto(chunk, sink)) stream.pause();
    });
    // What came before it broke off is kept by the stream, which gives it to nobody any more.
    stream.once('close', () => drainInto(stream, sink));
    stream.pause();
  };
  return { mode, stream, datagrams, readInto, reset: () => stream.destroy() };
}

/**
 * Node resets plain TCP sockets only (`resetAndDestroy` refuses TLS ones). The TCP handle under a TLS socket can do it too:
 * when it is where we look for it, closing becomes resetting. A plain socket is fine as well.
 */
export function resetSocket(socket: Duplex): void {
  const handle = property(socket, '_handle');
  const tcp = property(handle, '_parent') ?? handle;
  const reset = property(tcp, 'reset');
  if (typeof tcp === 'object' && tcp !== null && typeof reset === 'function') {
    Reflect.set(tcp, 'close', (closed?: () => void) => reset.call(tcp, closed));
  }
  socket.destroy();
}

function drainInto(stream: Duplex, sink: ByteSink): boolean {
  let more = true;
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) more = copyInto(chunk, sink) && more;
  return more;
}

/** Returns false when the sink asked to pause; it still gets the whole chunk, as it would from a socket. */
function copyInto(chunk: Buffer, sink: ByteSink): boolean {
  let more = true;
  for (let at = 0; at < chunk.length; ) {
    const buffer = sink.buffer();
    const bytes = Math.min(buffer.length, chunk.length - at);
    buffer.set(chunk.subarray(at, at + bytes));
    more = sink.received(bytes, buffer);
    at += bytes;
  }
  return more;
}
