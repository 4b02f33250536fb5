// What the Pod Security Standard "restricted" asks of a Pod, and the little beyond it that costs nothing.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted

import type { k8s } from 'cdk8s-plus-28';

export const RESTRICTED_POD: k8s.PodSecurityContext = {
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

export const RESTRICTED_CONTAINER: k8s.SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
};

/** Labels by which a namespace admits restricted Pods only. */
export const RESTRICTED_NAMESPACE_LABELS = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
} as const;
