// Descriptors of the built-in resources a controller meets, with the fields it reads. Anything else: resource<T>({...}).

import type { KubeObject } from './object.ts';
import { resource } from './resource.ts';

export interface Secret extends KubeObject {
  readonly type?: string | undefined;
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>> | undefined;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>> | undefined;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly port: number;
  readonly targetPort?: number | string | undefined;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | undefined;
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly type?: string | undefined;
    readonly clusterIP?: string | undefined;
    readonly externalName?: string | undefined;
    readonly ports?: readonly ServicePort[] | undefined;
    readonly selector?: Readonly<Record<string, string>> | undefined;
  };
}

/** Pods, Deployments and most others report their state as such a list. */
export interface ObjectCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly lastTransitionTime?: string | undefined;
}

export interface Deployment extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
  readonly status?: {
    readonly observedGeneration?: number | undefined;
    readonly replicas?: number | undefined;
    readonly updatedReplicas?: number | undefined;
    readonly readyReplicas?: number | undefined;
    readonly availableReplicas?: number | undefined;
    readonly conditions?: readonly ObjectCondition[] | undefined;
  };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean | undefined;
  readonly restartCount?: number | undefined;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string } | undefined;
    readonly terminated?:
      | { readonly reason?: string; readonly message?: string; readonly exitCode?: number }
      | undefined;
    readonly running?: { readonly startedAt?: string } | undefined;
  };
}

export interface Pod extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
  readonly status?: {
    readonly phase?: string | undefined;
    readonly reason?: string | undefined;
    readonly message?: string | undefined;
    readonly podIP?: string | undefined;
    readonly conditions?: readonly ObjectCondition[] | undefined;
    readonly containerStatuses?: readonly ContainerStatus[] | undefined;
  };
}

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export interface LeaseSpec {
  /** Absent or empty: nobody holds it. */
  readonly holderIdentity?: string | undefined;
  readonly leaseDurationSeconds?: number | undefined;
  readonly acquireTime?: string | undefined;
  readonly renewTime?: string | undefined;
  readonly leaseTransitions?: number | undefined;
}

export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec | undefined;
}

const core = { group: '', version: 'v1' } as const;
const apps = { group: 'apps', version: 'v1' } as const;
const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' } as const;

export const namespaces = resource<KubeObject>({
  ...core,
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
});
export const secrets = resource<Secret>({ ...core, plural: 'secrets', kind: 'Secret', namespaced: true });
export const configMaps = resource<ConfigMap>({
  ...core,
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
});
export const services = resource<Service>({ ...core, plural: 'services', kind: 'Service', namespaced: true });
export const pods = resource<Pod>({ ...core, plural: 'pods', kind: 'Pod', namespaced: true });
export const serviceAccounts = resource<KubeObject>({
  ...core,
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
});
export const deployments = resource<Deployment>({
  ...apps,
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
});
export const roles = resource<KubeObject>({ ...rbac, plural: 'roles', kind: 'Role', namespaced: true });
export const roleBindings = resource<KubeObject>({
  ...rbac,
  plural: 'rolebindings',
  kind: 'RoleBinding',
  namespaced: true,
});
export const podDisruptionBudgets = resource<KubeObject>({
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
});
export const leases = resource<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
});
export const customResourceDefinitions = resource<KubeObject>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
});
