// Installs the project's CustomResourceDefinitions into a test API server.

import { crdManifests } from '../../charts-ts/crd.ts';
import type { KubeApiserver } from './kube-apiserver.ts';

/** Applies both and returns when the server serves them; doing it again changes nothing. */
export async function installCrds(server: KubeApiserver): Promise<void> {
  const items = crdManifests();
  const list = { apiVersion: 'v1', kind: 'List', items };
  await server.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));

  const names = items.map(({ metadata }) => `crd/${metadata.name}`);
  await server.kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...names]);
}
