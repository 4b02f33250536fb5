// Which reasons each condition can have, by status: the contract with users, written down a second time on purpose, so that
// code and documentation are held against something that neither of them is.

export type ReasonTable = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const unresolved = [
  'ConnectionMissing',
  'ConnectionNotReady',
  'SecretMissing',
  'ServiceMissing',
  'ServicePortMissing',
  'ServicePortMismatch',
  'RefNotPermitted',
];

export const tunnelReasonTable: ReasonTable = {
  Accepted: { True: ['Accepted'], False: ['InvalidSpec'] },
  Resolved: { True: ['Resolved'], False: unresolved },
  AgentReady: { True: ['DeploymentAvailable'], False: ['DeploymentPending', 'DeploymentFailed'] },
  TunnelReady: {
    True: ['TunnelOnline'],
    False: ['TunnelConnecting', 'TunnelDisconnected', 'TunnelRejected'],
    Unknown: ['AgentUnavailable'],
  },
  TargetReachable: { True: ['TargetReachable'], False: ['TargetUnreachable'] },
  Ready: {
    True: ['Ready'],
    False: [
      'InvalidSpec',
      ...unresolved,
      'WaitingForDeployment',
      'DeploymentFailed',
      'TunnelRejected',
      'WaitingForTunnel',
      'Suspended',
    ],
  },
  Reconciling: { True: ['RolloutInProgress'] },
  Stalled: { True: ['InvalidSpec', 'RefNotPermitted', 'DeploymentFailed', 'TunnelRejected'] },
};

export const connectionReasonTable: ReasonTable = {
  Ready: {
    True: ['Ready', 'ResolutionStale'],
    False: [
      'SecretMissing',
      'InvalidSpec',
      'Unauthorized',
      'Forbidden',
      'ProjectNotFound',
      'RegionUnavailable',
      'PolicyDenied',
      'ControlPlaneUnavailable',
    ],
  },
};

/** `Ready=False/Suspended` and the like, sorted. */
export function reasonPairs(table: ReasonTable): readonly string[] {
  return Object.entries(table)
    .flatMap(([type, byStatus]) =>
      Object.entries(byStatus).flatMap(([status, reasons]) =>
        reasons.map((reason) => `${type}=${status}/${reason}`),
      ),
    )
    .sort();
}
