// Credentials of a Pod's service account: the token and the CA are files that the kubelet replaces while we run, so they
// are read again after a minute, and at once when the API server says 401.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Credentials, TlsMaterial } from './credentials.ts';
import { KubeError, kubeErrorCodes } from './errors.ts';

export interface InClusterOptions {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default /var/run/secrets/kubernetes.io/serviceaccount. */
  readonly directory?: string | undefined;
}

/** client-go reads the token again every minute; the kubelet rotates it at 80 % of an hour. */
const freshMs = 60_000;
const maxAttempts = 3;

/** True in a Pod: where inClusterCredentials can be used. */
export function isInCluster(env: InClusterOptions['env']): boolean {
  return Boolean(env.KUBERNETES_SERVICE_HOST && env.KUBERNETES_SERVICE_PORT);
}

/** Throws ERR_KUBE_CREDENTIALS outside a Pod; files are read when first used. */
export function inClusterCredentials(options: InClusterOptions): Credentials {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = options.env;
  if (!host || !port) {
    throw new KubeError(
      kubeErrorCodes.credentials,
      'not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; use --kubeconfig',
    );
  }
  const directory = options.directory ?? '/var/run/secrets/kubernetes.io/serviceaccount';
  const token = new RereadFile(`${directory}/token`, options.clock);
  const ca = new RereadFile(`${directory}/ca.crt`, options.clock);
  return {
    baseUrl: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tls: async (): Promise<TlsMaterial> => ({ ca: await ca.read() }),
    authorization: async () => `Bearer ${await token.read()}`,
    invalidate: () => {
      token.forget();
      ca.forget();
    },
  };
}

/** The namespace this Pod runs in. */
export async function inClusterNamespace(
  directory = '/var/run/secrets/kubernetes.io/serviceaccount',
): Promise<string> {
  return await readText(`${directory}/namespace`);
}

class RereadFile {
  readonly #path: string;
  readonly #clock: Clock;
  #text: string | undefined;
  #readAt = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async read(): Promise<string> {
    if (this.#text !== undefined && this.#clock.now() - this.#readAt < freshMs) return this.#text;
    try {
      this.#text = await readText(this.#path);
      this.#readAt = this.#clock.now();
    } catch (error) {
      // What was read before may still be good: the API server decides.
      if (this.#text === undefined) throw error;
    }
    return this.#text;
  }

  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }
}

/** The kubelet swaps a symbolic link, so a file may be missing or empty for an instant. */
async function readText(path: string): Promise<string> {
  let cause: unknown;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    try {
      const text = (await readFile(path, 'utf8')).trim();
      if (text !== '') return text;
      cause = new Error('the file is empty');
    } catch (error) {
      cause = error;
    }
  }
  throw new KubeError(kubeErrorCodes.credentials, `${path} cannot be read: ${messageOf(cause)}`, { cause });
}
