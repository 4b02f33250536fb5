// A UDP socket for QUIC: bound, with buffers wide enough for bulk, and without an error nobody listens to.

import { createSocket, type Socket } from 'node:dgram';
import type { QuicPeer } from './quic-native.ts';

const kernelBufferBytes = 4 * 1024 * 1024;

export interface UdpSocket {
  readonly socket: Socket;
  readonly local: QuicPeer;
}

/** Binds; with `peer` the socket talks to that one only, and hears at once when nobody listens there. */
export function bindUdp(
  family: 4 | 6,
  bind: { readonly address?: string | undefined; readonly port?: number },
  peer?: QuicPeer,
): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
    const ready = () => {
      widen(socket);
      const { address, port } = socket.address();
      resolve({ socket, local: { host: address, port } });
    };
    socket.on('error', (error) => {
      reject(error);
    });
    socket.bind({ address: bind.address, port: bind.port ?? 0 }, () => {
      if (peer) socket.connect(peer.port, peer.host, ready);
      else ready();
    });
  });
}

/** The system may grant less; that is fine. */
function widen(socket: Socket): void {
  try {
    socket.setRecvBufferSize(kernelBufferBytes);
    socket.setSendBufferSize(kernelBufferBytes);
  } catch {
    // Slower, not broken.
  }
}
