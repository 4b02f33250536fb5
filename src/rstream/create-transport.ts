// From settings to a transport: which mode, over which path, and a sentence for every wish that cannot be granted here.

import type { Clock } from '../common/clock.ts';
import { RstreamError } from './errors.ts';
import { createNetworkPath, type NetworkSettings } from './network-path.ts';
import type { TlsSettings } from './tls-options.ts';
import { TlsTransport } from './tls-transport.ts';
import type { Transport } from './transport.ts';

export interface TransportSettings {
  /** Default auto. */
  readonly mode?: 'auto' | 'tls' | 'quic' | undefined;
  readonly network?: NetworkSettings | undefined;
  readonly tls?: TlsSettings | undefined;
  readonly mptcp?: boolean | undefined;
}

export interface CreatedTransport {
  readonly transport: Transport;
  /** For the log: settings that are valid but have no effect here. */
  readonly warnings: readonly string[];
}

/** Throws ERR_RSTREAM_INVALID_CONFIG or ERR_RSTREAM_UNSUPPORTED_TRANSPORT. */
export function createTransport(settings: TransportSettings, clock: Clock): CreatedTransport {
  const { mode = 'auto', network, tls, mptcp } = settings;
  const warnings = mptcp
    ? ['mptcp has no effect: this runtime opens plain TCP sockets only; connections use TCP']
    : [];
  if (mode === 'quic' && network?.proxy) {
    throw new RstreamError(
      'ERR_RSTREAM_INVALID_CONFIG',
      'QUIC cannot go through an HTTP proxy; use mode tls',
    );
  }
  if (mode === 'quic') {
    throw new RstreamError(
      'ERR_RSTREAM_UNSUPPORTED_TRANSPORT',
      'this build cannot speak QUIC; use mode auto or tls',
    );
  }
  const path = network && createNetworkPath(network, clock);
  return { transport: new TlsTransport({ ...tls, path }), warnings };
}
