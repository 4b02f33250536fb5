// Makes an API server look as if the operator had never been installed, which costs a tenth of starting another one.

import { eventually } from './eventually.ts';
import type { KubeApiserver } from './kube-apiserver.ts';

const NAMESPACED = [
  'deployments.apps',
  'jobs.batch',
  'configmaps',
  'secrets',
  'serviceaccounts',
  'roles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'poddisruptionbudgets.policy',
];
const CLUSTER_WIDE = ['clusterroles', 'clusterrolebindings', 'customresourcedefinitions'];

/** Nothing here has a finalizer, and no garbage collector needs to run. */
const NOW = ['--ignore-not-found', '--cascade=background', '--timeout=60s'];

export async function wipeOperator(kube: KubeApiserver): Promise<void> {
  const everything = await kube.kubectl([
    'get',
    CLUSTER_WIDE.join(','),
    ...['-o', 'jsonpath={range .items[*]}{.kind}/{.metadata.name}{"\\n"}{end}'],
  ]);
  const ours = everything.split('\n').filter((name) => /rstream|monitoring\.coreos/.test(name));
  const crds = ours.filter((name) => name.startsWith('CustomResourceDefinition/'));
  const others = ours.filter((name) => !crds.includes(name));
  if (others.length > 0) await kube.kubectl(['delete', ...others, ...NOW]);
  if (crds.length > 0) await deleteCrds(kube, crds);

  const namespaces = await kube.kubectl(['get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}']);
  for (const namespace of namespaces.split(' ').filter((name) => !name.startsWith('kube-'))) {
    await kube.kubectl(['delete', NAMESPACED.join(','), '--all', '-n', namespace, ...NOW]);
  }
  const identity = ['role,rolebinding', '-l', 'app.kubernetes.io/part-of=rstream'];
  await kube.kubectl(['delete', ...identity, '-n', 'kube-system', ...NOW]);
}

/**
 * A CRD that is deleted right after a change ends in "could not list instances: storage is (re)initializing", and the API
 * server tries again only after a minute or more, or when the CRD changes once more: so it is changed until it is gone.
 */
async function deleteCrds(kube: KubeApiserver, crds: readonly string[]): Promise<void> {
  await kube.kubectl(['delete', ...crds, '--ignore-not-found', '--wait=false']);
  let nudges = 0;
  await eventually(
    `${crds.join(' and ')} are gone`,
    async () => {
      const left = await kube.kubectl(['get', ...crds, '--ignore-not-found', '-o', 'name']);
      if (left.trim() === '') return true;
      nudges += 1;
      for (const name of left.trim().split('\n')) {
        // It may be gone by now.
        await kube.kubectl(['label', name, `nudged=${nudges}`, '--overwrite']).catch(() => undefined);
      }
      return false;
    },
    { timeoutMs: 120_000, everyMs: 1000 },
  );
}
