// Who may do what: account tokens, client certificates of the engine's own authority, and the protocol version rule.

import { createHash } from 'node:crypto';
import { type ClientDetails, ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { Refusal, unauthorized } from './errors.ts';
import type { ClientCertificate } from './runtime-peer.ts';

/** Undefined for any 1.x.y: clients of several minor versions coexist, and features are negotiated by field presence. */
export function versionRefusal(version: string | undefined): Refusal | undefined {
  if (!version) return new Refusal(ErrorCode.PROTOCOL_VERSION_MISSING, 'state a protocol version');
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    return new Refusal(ErrorCode.PROTOCOL_VERSION_INVALID, 'the protocol version is not of the form 1.2.3');
  }
  if (version.startsWith('1.')) return undefined;
  return new Refusal(ErrorCode.PROTOCOL_VERSION_INCOMPATIBLE, `protocol version ${version} is not supported`);
}

export class Authenticator {
  /** Digests only, so that no comparison takes longer the closer a guess is. */
  #digests = new Set<string>();

  constructor(tokens: readonly string[]) {
    this.setTokens(tokens);
  }

  setTokens(tokens: readonly string[]): void {
    this.#digests = new Set(tokens.map(digest));
  }

  /** The user of a token; undefined when it is not accepted. */
  userOfToken(token: string | undefined): string | undefined {
    if (!token) return undefined;
    const hash = digest(token);
    return this.#digests.has(hash) ? `token-${hash.slice(0, 8)}` : undefined;
  }

  /** The user of a connection's client certificate; undefined without one or when our authority did not sign it. */
  userOfCertificate({ authorized, commonName }: ClientCertificate): string | undefined {
    return authorized ? (commonName ?? 'certificate') : undefined;
  }

  /** The user of a control or stream request; throws 1000. A token that is sent must be good, certificate or not. */
  authenticate(certificate: ClientCertificate, details: ClientDetails | undefined): string {
    const user = details?.token ? this.userOfToken(details.token) : this.userOfCertificate(certificate);
    if (user === undefined) throw unauthorized('the token or client certificate is missing or not accepted');
    return user;
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
