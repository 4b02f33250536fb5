// The TLS side of every runtime connection: ALPN `rstrm/1` and nothing else, TLS 1.2 or newer, a private CA instead of the
// system's roots, a client certificate, and one ticket per origin so that a dial-back resumes instead of starting anew.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { messageOf } from '../common/errors.ts';
import { formatEngineAddress } from './engine-address.ts';
import { RstreamError } from './errors.ts';
import type { ConnectTarget } from './transport.ts';

export const RUNTIME_ALPN = 'rstrm/1';

/** PEM texts; `ca` replaces the system's roots. Certificate and key come together or not at all. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface TlsSettings {
  /** Read before each connection; return the same object while nothing changed. Default: system roots, no certificate. */
  readonly material?: (() => TlsMaterial) | undefined;
  /** Whether `material` holds a client certificate. */
  readonly clientCertificate?: boolean | undefined;
  /** Name to send and to check instead of the engine's host; not used for redirected connections. */
  readonly serverName?: string | undefined;
}

const noMaterial: TlsMaterial = {};
/** Origins whose ticket is kept; redirects can name any number of them. */
const maxTickets = 64;

/** Options for `tls.connect`, with the caches behind them. */
export class TlsContext {
  readonly #settings: TlsSettings;
  readonly #tickets = new Map<string, Buffer>();
  #material: TlsMaterial | undefined;
  #secureContext: SecureContext | undefined;

  constructor(settings: TlsSettings) {
    this.#settings = settings;
  }

  /** Throws ERR_RSTREAM_TLS_CONFIGURATION or ERR_RSTREAM_MTLS_INCOMPLETE when the material is unusable. */
  options(target: ConnectTarget): ConnectionOptions {
    const secureContext = this.#context();
    const name = this.#serverName(target);
    return {
      host: target.engine.host,
      ALPNProtocols: [RUNTIME_ALPN],
      minVersion: 'TLSv1.2',
      secureContext,
      session: this.#tickets.get(this.#origin(target)),
      ...(isIP(name) ? {} : { servername: name }),
    };
  }

  /** Keeps the tickets the engine sends on this socket, for the next connection to the same target. */
  collectTickets(socket: TLSSocket, target: ConnectTarget): void {
    const origin = this.#origin(target);
    const context = this.#secureContext;
    socket.on('session', (ticket) => {
      if (this.#secureContext !== context) return;
      this.#tickets.delete(origin);
      this.#tickets.set(origin, ticket);
      const [oldest] = this.#tickets.keys();
      if (this.#tickets.size > maxTickets && oldest !== undefined) this.#tickets.delete(oldest);
    });
  }

  /** After a failed handshake: the ticket may be the reason. */
  forgetTicket(target: ConnectTarget): void {
    this.#tickets.delete(this.#origin(target));
  }

  /** How many origins have a ticket. */
  get tickets(): number {
    return this.#tickets.size;
  }

  close(): void {
    this.#tickets.clear();
    this.#secureContext = undefined;
    this.#material = undefined;
  }

  #serverName({ engine, redirected }: ConnectTarget): string {
    return (redirected ? undefined : this.#settings.serverName) ?? engine.host;
  }

  #origin(target: ConnectTarget): string {
    return `${formatEngineAddress(target.engine)} ${this.#serverName(target)}`;
  }

  #context(): SecureContext {
    const material = this.#settings.material?.() ?? noMaterial;
    if (this.#secureContext && this.#material === material) return this.#secureContext;
    const made = secureContext(material);
    this.#tickets.clear();
    this.#material = material;
    this.#secureContext = made;
    return made;
  }
}

function secureContext({ ca, cert, key }: TlsMaterial): SecureContext {
  if ((cert === undefined) !== (key === undefined)) {
    throw new RstreamError(
      'ERR_RSTREAM_MTLS_INCOMPLETE',
      'a client certificate needs its key, and a key its certificate',
    );
  }
  try {
    // OpenSSL skips what it cannot read, and would then trust nobody without saying so.
    if (ca !== undefined) new X509Certificate(ca);
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
    });
  } catch (cause) {
    throw new RstreamError(
      'ERR_RSTREAM_TLS_CONFIGURATION',
      `the CA or the client certificate is unusable: ${messageOf(cause)}`,
      { cause },
    );
  }
}
