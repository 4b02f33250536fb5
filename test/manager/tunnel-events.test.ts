import { expect } from 'chai';
import type { ConditionStatus } from '../../src/api/conditions.ts';
import { CONNECTION_REASONS, type TunnelReason } from '../../src/api/reasons.ts';
import { connectionEvents, tunnelEvents } from '../../src/manager/tunnel-events.ts';

type Seen = { type: string; status: ConditionStatus; reason: string; message: string };

/** Which condition carries a reason, and what is said about it; undefined: nothing. */
const tunnelCases: Record<TunnelReason, readonly [type: string, status: ConditionStatus, event?: string]> = {
  Ready: ['Ready', 'True'],
  Accepted: ['Accepted', 'True'],
  InvalidSpec: ['Accepted', 'False', 'Warning InvalidSpec'],
  Resolved: ['Resolved', 'True', 'Normal Resolved'],
  ConnectionMissing: ['Resolved', 'False', 'Warning ConnectionMissing'],
  ConnectionNotReady: ['Resolved', 'False', 'Warning ConnectionNotReady'],
  SecretMissing: ['Resolved', 'False', 'Warning SecretMissing'],
  ServiceMissing: ['Resolved', 'False', 'Warning ServiceMissing'],
  ServicePortMissing: ['Resolved', 'False', 'Warning ServicePortMissing'],
  ServicePortMismatch: ['Resolved', 'False', 'Warning ServicePortMismatch'],
  RefNotPermitted: ['Resolved', 'False', 'Warning RefNotPermitted'],
  DeploymentAvailable: ['AgentReady', 'True', 'Normal AgentDeployed'],
  DeploymentPending: ['AgentReady', 'False'],
  DeploymentFailed: ['AgentReady', 'False', 'Warning DeploymentFailed'],
  TunnelOnline: ['TunnelReady', 'True', 'Normal TunnelOnline'],
  TunnelConnecting: ['TunnelReady', 'False'],
  TunnelDisconnected: ['TunnelReady', 'False', 'Warning TunnelDisconnected'],
  TunnelRejected: ['TunnelReady', 'False', 'Warning TunnelRejected'],
  AgentUnavailable: ['TunnelReady', 'Unknown', 'Warning AgentUnavailable'],
  TargetReachable: ['TargetReachable', 'True'],
  TargetUnreachable: ['TargetReachable', 'False', 'Warning TargetUnreachable'],
  WaitingForDeployment: ['Ready', 'False'],
  WaitingForTunnel: ['Ready', 'False'],
  Suspended: ['Ready', 'False', 'Normal Suspended'],
  RolloutInProgress: ['Reconciling', 'True'],
};

const told = (events: readonly { type: string; reason: string; message: string }[]) =>
  events.map(({ type, reason, message }) => {
    expect(message).to.equal('the message');
    return `${type} ${reason}`;
  });

describe('the Events of a tunnel', () => {
  for (const [reason, [type, status, event]] of Object.entries(tunnelCases)) {
    const now: Seen = { type, status, reason, message: 'the message' };
    it(`${event ? `say ${event}` : `say nothing about ${reason}`}, once`, () => {
      const wanted = event ? [event] : [];
      expect(told(tunnelEvents(undefined, [now])), 'at first sight').to.deep.equal(wanted);
      const before: Seen = { ...now, status: status === 'True' ? 'False' : 'True', reason: 'Other' };
      expect(told(tunnelEvents([before], [now])), 'after another reason').to.deep.equal(wanted);
      expect(tunnelEvents([now], [now]), 'again').to.deep.equal([]);
      expect(tunnelEvents([now], [{ ...now, message: 'another message' }]), 'in other words').to.deep.equal(
        [],
      );
    });
  }

  it('repeat no reason that Ready or Stalled copies', () => {
    const copy = { status: 'False', reason: 'SecretMissing', message: 'the message' } as const;
    const after = [
      { type: 'Resolved', ...copy },
      { type: 'Ready', ...copy },
      { type: 'Stalled', ...copy },
    ];
    expect(told(tunnelEvents([], after))).to.deep.equal(['Warning SecretMissing']);
  });
});

describe('the Events of a connection', () => {
  for (const reason of CONNECTION_REASONS) {
    const status = reason === 'Ready' || reason === 'ResolutionStale' ? 'True' : 'False';
    const now: Seen = { type: 'Ready', status, reason, message: 'the message' };
    it(`tell ${reason} once`, () => {
      const wanted = [reason === 'Ready' ? 'Normal Resolved' : `Warning ${reason}`];
      expect(told(connectionEvents(undefined, [now]))).to.deep.equal(wanted);
      expect(told(connectionEvents([{ ...now, reason: 'Other' }], [now]))).to.deep.equal(wanted);
      expect(connectionEvents([now], [now])).to.deep.equal([]);
    });
  }
});
