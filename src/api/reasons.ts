// Every reason that a condition of the two resources can carry. Users script against them: they are never renamed. An Event
// has the reason of the condition it tells of, or one of its own: AgentDeployed, NameShared.

/** Reasons of an RstreamConnection's Ready condition. */
export const CONNECTION_REASONS = [
  'Ready',
  'InvalidSpec',
  'SecretMissing',
  'ResolutionStale',
  'Unauthorized',
  'Forbidden',
  'ProjectNotFound',
  'RegionUnavailable',
  'PolicyDenied',
  'ControlPlaneUnavailable',
] as const;

/** Reasons of an RstreamTunnel's conditions. */
export const TUNNEL_REASONS = [
  'Ready',
  'InvalidSpec',
  'SecretMissing',
  'Accepted',
  'Resolved',
  'ConnectionMissing',
  'ConnectionNotReady',
  'ServiceMissing',
  'ServicePortMissing',
  'ServicePortMismatch',
  'RefNotPermitted',
  'DeploymentAvailable',
  'DeploymentPending',
  'DeploymentFailed',
  'TunnelOnline',
  'TunnelConnecting',
  'TunnelDisconnected',
  'TunnelRejected',
  'AgentUnavailable',
  'TargetReachable',
  'TargetUnreachable',
  'WaitingForDeployment',
  'WaitingForTunnel',
  'Suspended',
  'RolloutInProgress',
] as const;

export type ConnectionReason = (typeof CONNECTION_REASONS)[number];
export type TunnelReason = (typeof TUNNEL_REASONS)[number];
