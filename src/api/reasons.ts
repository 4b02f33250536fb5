// Every reason a condition or an Event of the two resources can carry. Users script against them: they are never renamed.

/** Reasons of both resources. */
export const COMMON_REASONS = {
  Ready: 'Ready',
  InvalidSpec: 'InvalidSpec',
  SecretMissing: 'SecretMissing',
} as const;

/** Reasons of an RstreamConnection's Ready condition. */
export const CONNECTION_REASONS = {
  ...COMMON_REASONS,
  ResolutionStale: 'ResolutionStale',
  Unauthorized: 'Unauthorized',
  Forbidden: 'Forbidden',
  ProjectNotFound: 'ProjectNotFound',
  RegionUnavailable: 'RegionUnavailable',
  PolicyDenied: 'PolicyDenied',
  ControlPlaneUnavailable: 'ControlPlaneUnavailable',
} as const;

/** Reasons of an RstreamTunnel's conditions. */
export const TUNNEL_REASONS = {
  ...COMMON_REASONS,
  Accepted: 'Accepted',
  Resolved: 'Resolved',
  ConnectionMissing: 'ConnectionMissing',
  ConnectionNotReady: 'ConnectionNotReady',
  ServiceMissing: 'ServiceMissing',
  ServicePortMissing: 'ServicePortMissing',
  ServicePortMismatch: 'ServicePortMismatch',
  RefNotPermitted: 'RefNotPermitted',
  DeploymentAvailable: 'DeploymentAvailable',
  DeploymentPending: 'DeploymentPending',
  DeploymentFailed: 'DeploymentFailed',
  TunnelOnline: 'TunnelOnline',
  TunnelConnecting: 'TunnelConnecting',
  TunnelDisconnected: 'TunnelDisconnected',
  TunnelRejected: 'TunnelRejected',
  AgentUnavailable: 'AgentUnavailable',
  TargetReachable: 'TargetReachable',
  TargetUnreachable: 'TargetUnreachable',
  WaitingForDeployment: 'WaitingForDeployment',
  WaitingForTunnel: 'WaitingForTunnel',
  Suspended: 'Suspended',
  RolloutInProgress: 'RolloutInProgress',
} as const;

/** Reasons of Events; those of conditions double as the reason of the Event about them. */
export const EVENT_REASONS = {
  AgentDeployed: 'AgentDeployed',
  NameShared: 'NameShared',
} as const;

export type ConnectionReason = (typeof CONNECTION_REASONS)[keyof typeof CONNECTION_REASONS];
export type TunnelReason = (typeof TUNNEL_REASONS)[keyof typeof TUNNEL_REASONS];
export type EventReason =
  | ConnectionReason
  | TunnelReason
  | (typeof EVENT_REASONS)[keyof typeof EVENT_REASONS];
