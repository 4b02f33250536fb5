// The public face of the package: constructs that other people's cdk8s apps import.

export type {
  AgentSettings,
  RstreamConnectionSpec,
  RstreamConnectionStatus,
  RstreamTunnelSpec,
  RstreamTunnelStatus,
  SecretKeyReference,
} from '../src/api/resources.ts';
export { OPERATOR_VERSION } from '../src/common/version.ts';
export { RstreamConnection, type RstreamConnectionProps } from './connection.ts';
export { type CrdMetadata, Crds } from './crd.ts';
export { DEFAULT_IMAGE } from './image.ts';
export type { MonitoringSettings } from './monitoring.ts';
export type { NetworkPolicySettings } from './network-policy.ts';
export { Operator } from './operator.ts';
export type {
  ExtraCaSettings,
  ManagerNetworkSettings,
  ManagerPodSettings,
  ManagerProxySettings,
  ManagerSettings,
  OperatorProps,
  ServiceAccountSettings,
} from './operator-props.ts';
export {
  type DeploymentTunnelSettings,
  type ExposedDeployment,
  type ExposedService,
  RstreamTunnel,
  type RstreamTunnelProps,
  type TunnelSettings,
} from './tunnel.ts';
