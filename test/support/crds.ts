// Installs the project's CustomResourceDefinitions into a test API server.

import { crdManifests } from '../../charts-ts/crd.ts';
import { eventually } from './eventually.ts';
import type { KubeApiserver } from './kube-apiserver.ts';

/** Applies both and returns when the server serves them; doing it again changes nothing. */
export async function installCrds(server: KubeApiserver): Promise<void> {
  const items = crdManifests();
  const list = { apiVersion: 'v1', kind: 'List', items };
  await server.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));

  await untilEstablished(server);
}

/** Until every CustomResourceDefinition is served. kubectl gives up on one whose conditions are not there yet. */
export async function untilEstablished(server: KubeApiserver): Promise<void> {
  const wait = ['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'];
  await eventually('every CRD is established', async () => await server.kubectl(wait), {
    timeoutMs: 60_000,
    everyMs: 200,
  });
}
