// A TLS server without a listener: it is handed connections whose first bytes were looked at already, and hands on what
// it decrypts. One per set of TLS settings; sessions can be resumed as long as it lives.

import type { Socket } from 'node:net';
import { createServer, type SecureContext, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Certificate } from './certificate-authority.ts';

export interface TerminatorOptions {
  readonly certificate: Certificate;
  /** Offered in this order; none: the client's list is ignored. */
  readonly alpn: readonly string[];
  /** `request` asks for a client certificate, `require` refuses the handshake without a good one. */
  readonly clientCertificate?: 'request' | 'require';
  /** PEM authorities of client certificates. */
  readonly clientCa?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: readonly string[];
  /** A context per server name instead of `certificate`. */
  readonly contextOf?: (serverName: string) => Promise<SecureContext | undefined>;
  readonly handshakeTimeoutMs: number;
  /** Gets each connection after its handshake, with an error listener attached. Must not throw. */
  readonly onSocket: (socket: TLSSocket) => void;
}

export class TlsTerminator {
  readonly #server: Server;

  /** Throws when a cipher name or a certificate is not understood. */
  constructor(options: TerminatorOptions) {
    this.#server = createServer(serverOptions(options), (socket) => {
      socket.on('error', () => {});
      options.onSocket(socket);
    });
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** Takes over a raw connection; what was read from it must have been put back. */
  accept(raw: Socket): void {
    this.#server.emit('connection', raw);
  }
}

function serverOptions(options: TerminatorOptions): TlsOptions {
  const { contextOf, clientCertificate } = options;
  return {
    allowHalfOpen: true,
    handshakeTimeout: options.handshakeTimeoutMs,
    cert: options.certificate.cert,
    key: options.certificate.key,
    requestCert: clientCertificate !== undefined,
    rejectUnauthorized: clientCertificate === 'require',
    ...(options.clientCa && { ca: options.clientCa }),
    ...(options.alpn.length > 0 && { ALPNProtocols: [...options.alpn] }),
    ...(options.minVersion && { minVersion: options.minVersion }),
    ...(options.ciphers?.length && { ciphers: options.ciphers.join(':') }),
    ...(contextOf && {
      SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
        contextOf(name).then((context) => done(null, context), done);
      },
    }),
  };
}
