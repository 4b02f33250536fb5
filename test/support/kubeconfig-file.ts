// Kubeconfig files for tests: one cluster, one user with a token, one context.

import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';

export interface KubeconfigFacts {
  readonly server: string;
  readonly caFile: string;
  readonly token: string;
}

export function writeKubeconfig(path: string, facts: KubeconfigFacts): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: facts.server, 'certificate-authority': facts.caFile } }],
    users: [{ name: 'test', user: { token: facts.token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
  writeFileSync(path, stringify(config), { mode: 0o600 });
}
