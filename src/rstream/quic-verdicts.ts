// What quiche knows about a connection, in our words: whether the server is the one meant, and why a connection ended.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { TransportError } from './errors.ts';
import type { NativeConnection, NativeError } from './quic-native.ts';

/** Undefined when the server's certificate is for this name or address: quiche checks the chain, but no name for addresses. */
export function strangerProblem(native: NativeConnection, verify: string): string | undefined {
  const [leaf] = native.peerCertChain() ?? [];
  if (!leaf) return 'the engine showed no certificate';
  const certificate = new X509Certificate(leaf);
  const matches = isIP(verify) ? certificate.checkIP(verify) : certificate.checkHost(verify);
  return matches === undefined ? `the certificate is not for ${verify}` : undefined;
}

export function causeOfEnd(native: NativeConnection): TransportError {
  if (native.isTimedOut()) return new TransportError('the QUIC connection timed out');
  const error: NativeError | null = native.peerError() ?? native.localError();
  const reason = error ? Buffer.from(error.reason).toString('utf8').slice(0, 200) : '';
  return new TransportError(`the QUIC connection ended (${error?.errorCode ?? 0}) ${reason}`.trim());
}
