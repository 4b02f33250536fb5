// A client of a test's control plane, with the rights of system:masters or of a user that the test names.

import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient, type KubeClientOptions } from '../../src/kube/client.ts';
import type { Credentials } from '../../src/kube/credentials.ts';
import type { KubeApiserver } from './kube-apiserver.ts';

export function adminCredentials(server: KubeApiserver): Credentials {
  const ca = readFileSync(server.caFile, 'utf8');
  return {
    baseUrl: server.url,
    tls: async () => ({ ca }),
    authorization: async () => `Bearer ${server.token}`,
  };
}

/** The test closes it. */
export function adminClient(server: KubeApiserver, options: Partial<KubeClientOptions> = {}): KubeClient {
  return new KubeClient({ credentials: adminCredentials(server), clock: systemClock, ...options });
}
