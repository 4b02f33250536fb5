// Where the demo runs: in a node of its own, or in the cluster that KUBE_CONTEXT names. Never anywhere else.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { binariesFolder, nodePaths } from '../cluster/settings.ts';
import { Kubectl } from './kubectl.ts';
import { demoNode } from './names.ts';

export type DemoTarget =
  | { readonly kind: 'own-node' }
  | { readonly kind: 'context'; readonly context: string; readonly image: string };

/** Decides from the environment; throws a sentence when something is missing, before minutes are spent on building. */
export function demoTarget(
  environment: NodeJS.ProcessEnv,
  command: 'up' | 'down',
  user = process.getuid?.(),
): DemoTarget {
  const context = environment.KUBE_CONTEXT;
  if (!context) {
    if (user === 0) return { kind: 'own-node' };
    throw new Error(
      'The demo starts a Kubernetes node of its own, which needs root on Linux: run it as root, or on a cluster of ' +
        'yours with: make demo KUBE_CONTEXT=… IMAGE=…',
    );
  }
  const image = environment.IMAGE ?? '';
  if (image === '' && command === 'up') {
    throw new Error(
      `KUBE_CONTEXT=${context} needs IMAGE= too: the name of an operator image that the cluster can pull. ` +
        'Build one with the Dockerfile and push it, then run: make demo KUBE_CONTEXT=… IMAGE=…',
    );
  }
  return { kind: 'context', context, image };
}

export function targetKubectl(target: DemoTarget, signal?: AbortSignal): Kubectl {
  if (target.kind === 'context') {
    const built = join(binariesFolder(), 'kubectl');
    return new Kubectl({
      program: existsSync(built) ? built : 'kubectl',
      cluster: ['--context', target.context],
      ...(signal && { signal }),
    });
  }
  const paths = nodePaths(demoNode);
  return new Kubectl({
    program: join(binariesFolder(), 'kubectl'),
    cluster: ['--kubeconfig', paths.kubeconfig],
    environment: { KUBECACHEDIR: join(paths.folder, 'kubecache') },
    ...(signal && { signal }),
  });
}

/** What to type to go on by oneself. */
export function lookAround(target: DemoTarget): string {
  if (target.kind === 'context')
    return `kubectl --context ${target.context} --namespace rstream-demo get all`;
  return `export KUBECONFIG=${nodePaths(demoNode).kubeconfig} PATH=${binariesFolder()}:$PATH`;
}

/** What will happen to a cluster that is not ours, before it happens. */
export function intentions(context: string, server: string): string {
  return `This uses your cluster "${context}" (${server}). It will
  - create the namespaces rstream-system (operator), rstream-engine (a local engine) and rstream-demo (the sample),
  - install the CRDs rstreamconnections and rstreamtunnels of tunnels.rstream.io,
  - install ClusterRoles and a ClusterRoleBinding of the operator (kubectl get -f dist/operator.yaml lists everything).
make demo-down KUBE_CONTEXT=${context} removes all of it again, CRDs and every tunnel in the cluster included.`;
}
