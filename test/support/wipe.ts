// Makes an API server look as if the operator had never been installed, which costs a tenth of starting another one.

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
  if (ours.length > 0) await kube.kubectl(['delete', ...ours, ...NOW]);

  const namespaces = await kube.kubectl(['get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}']);
  for (const namespace of namespaces.split(' ').filter((name) => !name.startsWith('kube-'))) {
    await kube.kubectl(['delete', NAMESPACED.join(','), '--all', '-n', namespace, ...NOW]);
  }
  const identity = ['role,rolebinding', '-l', 'app.kubernetes.io/part-of=rstream'];
  await kube.kubectl(['delete', ...identity, '-n', 'kube-system', ...NOW]);
}
