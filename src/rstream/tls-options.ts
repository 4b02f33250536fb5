// The TLS side of every runtime connection: ALPN `rstrm/1` and nothing else, TLS 1.2 or newer, a private CA instead of the
// system's roots, a client certificate, and one ticket per origin so that a dial-back resumes instead of starting anew.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { messageOf } from '../common/errors.ts';
import { formatEngineAddress } from './engine-address.ts';
import { RstreamError } from './errors.ts';
import { withoutCertificate } from './tls-session.ts';
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

/**
 * Key exchange beside a ticket. The ticket's own secret comes from a full handshake with the default groups (hybrid with
 * ML-KEM where the engine has it) and goes into every key, so a classic group adds what is missing, forward secrecy, at a
 * third of the cost.
 */
const groupsWithTicket = 'X25519:P-256:P-384:P-521';

/** Options for `tls.connect`, with the caches behind them. */
export class TlsContext {
  readonly #settings: TlsSettings;
  readonly #tickets = new Map<string, Buffer>();
  #material: TlsMaterial | undefined;
  #secureContext: SecureContext | undefined;
  #resumingContext: SecureContext | undefined;

  constructor(settings: TlsSettings) {
    this.#settings = settings;
  }

  /** Throws ERR_RSTREAM_TLS_CONFIGURATION or ERR_RSTREAM_MTLS_INCOMPLETE when the material is unusable. */
  options(target: ConnectTarget): ConnectionOptions {
    const fullContext = this.#context();
    const name = this.#serverName(target);
    const session = this.#tickets.get(this.#origin(target));
    return {
      host: target.engine.host,
      ALPNProtocols: [RUNTIME_ALPN],
      secureContext: session ? this.#contextForTickets() : fullContext,
      session,
      // An IP address is never sent, but checked all the same, whatever address is dialled.
      ...(isIP(name)
        ? { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) }
        : { servername: name }),
    };
  }

  /** Keeps the tickets the engine sends on this new socket, for the next connection to the same target. */
  collectTickets(socket: TLSSocket, target: ConnectTarget): void {
    const origin = this.#origin(target);
    const context = this.#secureContext;
    const offered = this.#tickets.has(origin);
    socket.on('session', (ticket) => {
      if (this.#secureContext !== context) return;
      this.#tickets.delete(origin);
      // A refused ticket led to a full handshake with the groups meant for tickets: nothing to build on.
      if (offered && !socket.isSessionReused()) return;
      this.#tickets.set(origin, offered ? ticket : withoutCertificate(ticket));
      const [oldest] = this.#tickets.keys();
      if (this.#tickets.size > maxTickets && oldest !== undefined) this.#tickets.delete(oldest);
    });
  }

  /** After a failed handshake: the ticket may be the reason. */
  forgetTicket(target: ConnectTarget): void {
    this.#tickets.delete(this.#origin(target));
  }

  close(): void {
    this.#tickets.clear();
    this.#secureContext = undefined;
    this.#resumingContext = undefined;
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
    this.#resumingContext = undefined;
    return made;
  }

  #contextForTickets(): SecureContext {
    this.#resumingContext ??= secureContext(this.#material ?? noMaterial, groupsWithTicket);
    return this.#resumingContext;
  }
}

/** Whether connections can be made with it. */
export function isUsable(material: TlsMaterial): boolean {
  try {
    secureContext(material);
    return true;
  } catch {
    return false;
  }
}

function secureContext({ ca, cert, key }: TlsMaterial, ecdhCurve?: string): SecureContext {
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
      ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
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
