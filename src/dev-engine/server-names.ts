// TLS contexts for whatever name the engine is called by: minted on demand, the 256 most recent kept.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { CertificateAuthority } from './certificate-authority.ts';

const maxContexts = 256;
const dnsName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;

/** Contexts that accept client certificates of the same authority. */
export class ServerNames {
  readonly #authority: CertificateAuthority;
  readonly #contexts = new Map<string, Promise<SecureContext>>();

  constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  /** Undefined for what is not a host name: the default certificate has to do. */
  async contextOf(serverName: string): Promise<SecureContext | undefined> {
    const name = serverName.toLowerCase();
    if (!dnsName.test(name)) return undefined;
    const known = this.#contexts.get(name);
    const context = known ?? this.#mint(name);
    // Most recently used last.
    this.#contexts.delete(name);
    this.#contexts.set(name, context);
    const [oldest] = this.#contexts.keys();
    if (this.#contexts.size > maxContexts && oldest !== undefined) this.#contexts.delete(oldest);
    return context;
  }

  async #mint(name: string): Promise<SecureContext> {
    const { cert, key } = await this.#authority.issueServer([name]);
    return createSecureContext({ cert, key, ca: this.#authority.certificate });
  }
}
