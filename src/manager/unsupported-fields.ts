// Fields that are valid but whose agent code does not exist yet. One table, so that a user gets a sentence instead of
// silence; an entry goes when its code arrives.

import type { RstreamConnectionSpec, RstreamTunnelSpec } from '../api/resources.ts';

interface Unsupported<S> {
  readonly field: string;
  readonly isUsed: (spec: S) => boolean;
}

const connectionFields: readonly Unsupported<RstreamConnectionSpec>[] = [
  {
    field: 'spec.transport.mode quic',
    isUsed: ({ transport }) => (transport?.mode ? transport.mode === 'quic' : transport?.useQuic === true),
  },
  { field: 'spec.transport.mptcp', isUsed: ({ transport }) => transport?.mptcp === true },
  {
    field: 'spec.transport.dns',
    isUsed: ({ transport }) =>
      Boolean(transport?.dns?.override || transport?.dns?.tls || transport?.dns?.dnssec),
  },
  {
    field: 'spec.transport.bind',
    isUsed: ({ transport }) => Boolean(transport?.bind?.interface || transport?.bind?.address),
  },
  { field: 'spec.transport.proxy', isUsed: ({ transport }) => Boolean(transport?.proxy?.http) },
];

const tunnelFields: readonly Unsupported<RstreamTunnelSpec>[] = [
  { field: 'spec.type datagram', isUsed: ({ type }) => type === 'datagram' },
  { field: 'spec.protocol dtls', isUsed: ({ protocol }) => protocol === 'dtls' },
  { field: 'spec.protocol quic', isUsed: ({ protocol }) => protocol === 'quic' },
  { field: 'spec.http.version h3', isUsed: ({ http }) => http?.version === 'h3' },
];

/** The first field in use that no agent can serve yet, as a sentence. */
export function unsupportedInConnection(spec: RstreamConnectionSpec): string | undefined {
  return sentence(connectionFields.find(({ isUsed }) => isUsed(spec)));
}

export function unsupportedInTunnel(spec: RstreamTunnelSpec): string | undefined {
  return sentence(tunnelFields.find(({ isUsed }) => isUsed(spec)));
}

function sentence(found: { readonly field: string } | undefined): string | undefined {
  return found && `${found.field} is not supported by this version of the operator yet; remove it`;
}
