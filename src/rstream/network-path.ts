// How connections leave this machine: local address, address family, name resolution, proxy. The default is the system's
// own way (its resolver, both families raced).

import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { EngineAddress } from './engine-address.ts';

export interface NetworkPath {
  /** Options for a TCP connection straight to the engine. */
  socketOptions(engine: EngineAddress, signal: AbortSignal): Promise<ConnectionOptions>;
  /** A connection through which to speak TLS with the engine, when it must not be reached straight. */
  readonly tunnel?: (engine: EngineAddress, signal: AbortSignal) => Promise<Duplex>;
}

export const systemPath: NetworkPath = {
  socketOptions: async ({ host, port }) => ({ host, port }),
};
