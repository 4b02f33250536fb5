// From settings to a transport: which mode, over which path, and a sentence for every wish that cannot be granted here.

import type { Clock } from '../common/clock.ts';
import { AutoTransport } from './auto-transport.ts';
import { RstreamError } from './errors.ts';
import { createNetworkPath, type NetworkSettings } from './network-path.ts';
import { quicUnavailable } from './quic-native.ts';
import { QuicTransport } from './quic-transport.ts';
import type { TlsSettings } from './tls-options.ts';
import { TlsTransport } from './tls-transport.ts';
import type { Transport } from './transport.ts';

export interface TransportSettings {
  /** Default auto. */
  readonly mode?: 'auto' | 'tls' | 'quic' | undefined;
  /** Whether the tunnel carries packets: auto then tries QUIC first. */
  readonly datagram?: boolean | undefined;
  readonly network?: NetworkSettings | undefined;
  readonly tls?: TlsSettings | undefined;
  readonly mptcp?: boolean | undefined;
}

export interface CreatedTransport {
  readonly transport: Transport;
  /** For the log: settings that are valid but have no effect here. */
  readonly warnings: readonly string[];
}

/** How long auto waits for QUIC before TLS joins in, for datagram tunnels. */
const quicHeadStartMs = 300;
/** After that long without a TLS connection there is none to be had, and a bytestream tunnel tries QUIC too. */
const tlsHeadStartMs = 5_000;

/** Throws ERR_RSTREAM_INVALID_CONFIG or ERR_RSTREAM_UNSUPPORTED_TRANSPORT. */
export function createTransport(settings: TransportSettings, clock: Clock): CreatedTransport {
  const { mode = 'auto', datagram = false, network, tls, mptcp } = settings;
  const warnings = mptcp
    ? ['mptcp has no effect: this runtime opens plain TCP sockets only; connections use TCP']
    : [];
  if (mode === 'quic' && network?.proxy) {
    throw new RstreamError(
      'ERR_RSTREAM_INVALID_CONFIG',
      'QUIC cannot go through an HTTP proxy; use mode tls',
    );
  }
  const path = network && createNetworkPath(network, clock);
  const overTls = () => new TlsTransport({ ...tls, path });
  const overQuic = () => new QuicTransport({ ...tls, path, clock });
  if (mode === 'quic') return { transport: overQuic(), warnings };
  if (mode === 'tls' || network?.proxy) return { transport: overTls(), warnings };
  // The native part of QUIC costs memory: where TLS works, it is never loaded.
  const quicIfPossible = () => (quicUnavailable() === undefined ? overQuic() : undefined);
  const first = datagram ? quicIfPossible() : overTls();
  if (!first) return { transport: overTls(), warnings };
  const second = datagram ? overTls : quicIfPossible;
  const headStartMs = datagram ? quicHeadStartMs : tlsHeadStartMs;
  return { transport: new AutoTransport({ first, second, headStartMs, clock }), warnings };
}
