// One number for TCP and UDP, as visitors of QUIC and of TLS dial the same port.

import { codeOf } from '../common/errors.ts';
import type { EdgeListener } from './edge-listener.ts';

/** Binds TCP, and the same number of UDP; where the system chooses the number it may choose again. Resolves with it. */
export async function bindBoth(
  listener: EdgeListener,
  openUdp: (port: number) => Promise<void>,
  tries: number,
): Promise<number> {
  for (let left = tries - 1; ; left -= 1) {
    const port = await listener.start();
    try {
      await openUdp(port);
      return port;
    } catch (error) {
      await listener.close();
      if (left <= 0 || codeOf(error) !== 'EADDRINUSE') throw error;
    }
  }
}
