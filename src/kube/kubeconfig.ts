// Credentials from a kubeconfig file: certificates, tokens, token files, exec plugins, whatever client-node's KubeConfig
// understands. The only file of the project that loads @kubernetes/client-node; connections are our own (http.ts).

import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Credentials, TlsMaterial } from './credentials.ts';
import { KubeError, kubeErrorCodes } from './errors.ts';

export interface KubeconfigOptions {
  /** A path; default KUBECONFIG or ~/.kube/config, as kubectl. */
  readonly file?: string | undefined;
  /** Default: the file's current context. */
  readonly context?: string | undefined;
  readonly clock: Clock;
}

/** How long certificates and tokens are used before they are read again; exec plugins cache by their own expiry. */
const freshMs = 10_000;

interface Snapshot {
  readonly tls: TlsMaterial;
  readonly authorization: string | undefined;
}

/** Throws ERR_KUBE_CREDENTIALS when the file cannot be read or names no cluster. */
export function kubeconfigCredentials(options: KubeconfigOptions): Credentials {
  const config = load(options);
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    const context = config.getCurrentContext();
    const what = context ? `has no cluster for context "${context}"` : 'names no current context';
    throw failure(`the kubeconfig ${options.file ?? ''} ${what}`);
  }
  if (cluster.proxyUrl) {
    throw failure(`cluster "${cluster.name}" uses proxy-url, which is not supported`);
  }
  return new KubeconfigCredentials(config, cluster.server.replace(/\/+$/, ''), options.clock);
}

class KubeconfigCredentials implements Credentials {
  readonly baseUrl: string;
  readonly #config: KubeConfig;
  readonly #clock: Clock;
  #snapshot: Promise<Snapshot> | undefined;
  #readAt = 0;

  constructor(config: KubeConfig, baseUrl: string, clock: Clock) {
    this.#config = config;
    this.baseUrl = baseUrl;
    this.#clock = clock;
  }

  async tls(): Promise<TlsMaterial> {
    return (await this.#current()).tls;
  }

  async authorization(): Promise<string | undefined> {
    return (await this.#current()).authorization;
  }

  invalidate(): void {
    this.#snapshot = undefined;
  }

  #current(): Promise<Snapshot> {
    const now = this.#clock.now();
    if (this.#snapshot && now - this.#readAt < freshMs) return this.#snapshot;
    this.#readAt = now;
    const snapshot = read(this.#config);
    this.#snapshot = snapshot;
    snapshot.catch(() => {
      if (this.#snapshot === snapshot) this.#snapshot = undefined;
    });
    return snapshot;
  }
}

function load(options: KubeconfigOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    if (options.file === undefined) config.loadFromDefault();
    else config.loadFromFile(options.file);
  } catch (error) {
    throw failure(`the kubeconfig ${options.file ?? ''} cannot be used: ${messageOf(error)}`, error);
  }
  if (options.context !== undefined) config.setCurrentContext(options.context);
  return config;
}

async function read(config: KubeConfig): Promise<Snapshot> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw failure(`the credentials of the kubeconfig cannot be read: ${messageOf(error)}`, error);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (typeof value === 'string') headers.set(name, value);
  }
  const basic = options.auth ? `Basic ${Buffer.from(options.auth).toString('base64')}` : undefined;
  return {
    authorization: headers.get('authorization') ?? basic,
    tls: {
      ca: pem(options.ca),
      cert: pem(options.cert),
      key: pem(options.key),
      serverName: options.servername,
      insecureSkipVerify: options.rejectUnauthorized === false,
    },
  };
}

function pem(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}

function failure(message: string, cause?: unknown): KubeError {
  return new KubeError(kubeErrorCodes.credentials, message, { cause });
}
