// Gateway API's ReferenceGrant as far as tests need it: the real group, versions and field names, without its whole schema.

import { resource } from '../../src/kube/resource.ts';
import type { KubeApiserver } from './kube-apiserver.ts';
import type { Loose } from './rstream-resources.ts';

export const grantResource = resource<Loose>({
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'referencegrants',
  kind: 'ReferenceGrant',
  namespaced: true,
});

/** Lets the tunnels of a namespace refer to Services of another; `from` and `to` change what it says of both. */
export function grantOf(namespace: string, from: object, to: object = {}, name = 'tunnels'): Loose {
  const source = { group: 'tunnels.rstream.io', kind: 'RstreamTunnel', ...from };
  const spec = { from: [source], to: [{ group: '', kind: 'Service', ...to }] };
  return { metadata: { namespace, name }, spec };
}

const STRINGS = (names: readonly string[]) => ({
  type: 'array',
  items: {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  },
});

function version(name: string, storage: boolean): object {
  const spec = {
    type: 'object',
    properties: { from: STRINGS(['group', 'kind', 'namespace']), to: STRINGS(['group', 'kind', 'name']) },
  };
  return {
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
  };
}

/** Serves ReferenceGrants in v1beta1 and v1, as current Gateway API releases do. */
export async function installReferenceGrants(kube: KubeApiserver): Promise<void> {
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: 'referencegrants.gateway.networking.k8s.io',
      annotations: {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/2997',
      },
    },
    spec: {
      group: 'gateway.networking.k8s.io',
      names: { kind: 'ReferenceGrant', plural: 'referencegrants', singular: 'referencegrant' },
      scope: 'Namespaced',
      versions: [version('v1', false), version('v1beta1', true)],
    },
  };

  await kube.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(crd));
}
