// A process as a Pod would have it: its own /run with the service account's token and the API server's CA in it, and the
// environment variables that name the API server.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeApiserver } from './kube-apiserver.ts';

export interface Pod {
  /** What to put before the command: it runs in a mount namespace of its own. */
  readonly prefix: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const accountFolder = 'secrets/kubernetes.io/serviceaccount';

/** `token`: default, that of a cluster administrator. */
export function podOf(server: KubeApiserver, name: string, token = server.token): Pod {
  const files = join(server.directory, 'pods', name);
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'token'), token);
  writeFileSync(join(files, 'ca.crt'), readFileSync(server.caFile));
  const script = [
    'mount -t tmpfs tmpfs /run',
    `mkdir -p /run/${accountFolder}`,
    `cp ${files}/* /run/${accountFolder}`,
    'exec "$@"',
  ].join(' && ');
  // Without rights of its own, a user namespace lends them.
  const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--map-root-user', '--mount'];
  const { hostname, port } = new URL(server.url);
  return {
    prefix: ['unshare', ...namespaces, 'sh', '-c', script, 'sh'],
    env: {
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      RSTREAM_AGENT_POD_NAME: name,
    },
  };
}
