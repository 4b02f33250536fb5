// The public face of the package: constructs that other people's cdk8s apps import.

export { Crds } from './crd.ts';
export { DEFAULT_IMAGE, OPERATOR_VERSION } from './image.ts';
export { Operator } from './operator.ts';
export type { ManagerPodSettings, ManagerSettings, OperatorProps } from './operator-props.ts';
