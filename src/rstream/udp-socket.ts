// A UDP socket for QUIC: bound, with buffers wide enough for bulk, and without an error nobody listens to.

import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { QuicPeer } from './quic-native.ts';

const kernelBufferBytes = 4 * 1024 * 1024;

export interface UdpSocket {
  readonly socket: Socket;
  readonly local: QuicPeer;
  /** Sends or drops a packet, to the connected peer unless `to` says where; true when its memory may be used again. */
  readonly send: (packet: Buffer, to?: QuicPeer) => boolean;
}

/** Binds; with `peer` the socket talks to that one only, and hears at once when nobody listens there. */
export function bindUdp(
  family: 4 | 6,
  bind: { readonly address?: string | undefined; readonly port?: number },
  peer?: QuicPeer,
): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup: literalLookup });
    const failed = (error: Error) => {
      socket.close();
      reject(error);
    };
    const ready = (error?: Error) => {
      if (error) return failed(error);
      socket.off('error', failed).on('error', () => {});
      widen(socket);
      const { address, port } = socket.address();
      const send = (packet: Buffer, to?: QuicPeer) => {
        try {
          if (to) socket.send(packet, to.port, to.host);
          else socket.send(packet);
          // The kernel takes a packet at once unless its buffer is full; Node then keeps a reference and no copy.
          return socket.getSendQueueCount() === 0;
        } catch {
          // The socket is closed: as good as lost on the way.
          return true;
        }
      };
      resolve({ socket, local: { host: address, port }, send });
    };
    socket.once('error', failed);
    socket.bind({ address: bind.address, port: bind.port ?? 0 }, () => {
      // The callback hears of a refusal too: no route, say.
      if (peer) socket.connect(peer.port, peer.host, ready);
      else ready();
    });
  });
}

/** Addresses need no resolver, and no turn of the event loop, for each packet. */
const literalLookup: SocketOptions['lookup'] = (host, options, done) => {
  const family = isIP(host);
  if (family > 0) done(null, host, family);
  else lookup(host, options, done);
};

/** The system may grant less; that is fine. */
function widen(socket: Socket): void {
  try {
    socket.setRecvBufferSize(kernelBufferBytes);
    socket.setSendBufferSize(kernelBufferBytes);
  } catch {
    // Slower, not broken.
  }
}
