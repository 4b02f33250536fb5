// A connection to the engine's own name: the rstream protocol or HTTP, told apart by ALPN and, without one, by the first byte.

import type { TLSSocket } from 'node:tls';
import type { RuntimeConnections } from './runtime-connections.ts';
import { tlsPeer } from './runtime-peer.ts';

/** A connection to the engine itself: the protocol or HTTP, by ALPN, and by its first byte when it offered none. */
export function serveOwn(
  socket: TLSSocket,
  runtime: RuntimeConnections,
  serveHttp: (socket: TLSSocket) => void,
) {
  if (socket.alpnProtocol === 'rstrm/1') return void runtime.serve(tlsPeer(socket));
  if (socket.alpnProtocol) return serveHttp(socket);
  const stop = () => socket.destroy();
  socket.setTimeout(10_000, stop);
  socket.once('data', (chunk) => {
    socket.setTimeout(0);
    socket.off('timeout', stop);
    socket.pause();
    socket.unshift(chunk);
    // A frame's length is at most 65 535, so it begins with a zero; no HTTP request does.
    if (chunk[0] === 0) return void runtime.serve(tlsPeer(socket));
    serveHttp(socket);
    socket.resume();
  });
}
