import { expect } from 'chai';
import { type AgentStatus, type Known, nextStatus } from '../../src/agent/status.ts';

const now = new Date('2026-01-02T03:04:05.678Z');
const earlier = '2026-01-01T00:00:00Z';
const online: Known = {
  tunnel: { kind: 'online', tunnelId: 't1', forwardingAddress: 'https://web.test' },
  lastError: undefined,
  target: undefined,
  targetAddress: 'web.demo.svc:80',
  podName: 'me',
  stableAddress: true,
};
const problem = { code: '1000', message: 'no such token' };

function live(status: 'True' | 'False', agentPod?: string): AgentStatus {
  const condition = { type: 'TunnelReady', status, reason: 'X', message: 'y', lastTransitionTime: earlier };
  return { conditions: [condition], ...(agentPod && { agentPod }), forwardingAddress: 'https://web.test' };
}

describe("the agent's part of the status", () => {
  it('says online whoever was there before', () => {
    const next = nextStatus(online, live('True', 'other'), now);
    expect(next).to.include({ agentPod: 'me', tunnelID: 't1', forwardingAddress: 'https://web.test' });
    expect(next?.conditions?.[0]).to.include({
      status: 'True',
      reason: 'TunnelOnline',
      lastTransitionTime: earlier,
    });
  });

  it('says so once: another Pod that has spoken since has the word while TunnelReady is True', () => {
    const known: Known = { ...online, announced: true };
    expect(nextStatus(known, live('True', 'other'), now)).to.equal(undefined);
    expect(nextStatus(known, live('False', 'other'), now)).to.include({ agentPod: 'me' });
    expect(nextStatus(known, live('True', 'me'), now)).to.include({ agentPod: 'me' });
  });

  it('moves lastTransitionTime with the status, in whole seconds', () => {
    const next = nextStatus(online, live('False'), now);
    expect(next?.conditions?.[0]?.lastTransitionTime).to.equal('2026-01-02T03:04:05Z');
  });

  it('writes nothing when everything is as it should be', () => {
    const next = nextStatus(online, undefined, now);
    expect(nextStatus(online, next, now)).to.equal(undefined);
  });

  it('leaves the status of another Pod that is online alone', () => {
    const known: Known = { ...online, tunnel: { kind: 'rejected', problem } };
    expect(nextStatus(known, live('True', 'other'), now)).to.equal(undefined);
    expect(nextStatus(known, live('True'), now)).to.equal(undefined);
    expect(nextStatus(known, live('True', 'me'), now)).not.to.equal(undefined);
    expect(nextStatus(known, live('False', 'other'), now)).not.to.equal(undefined);
  });

  it('names its Pod as the one that holds the tunnel only where it does, or was the last to', () => {
    const known: Known = { ...online, tunnel: { kind: 'rejected', problem } };
    expect(nextStatus(known, live('False', 'me'), now)).to.include({ agentPod: 'me' });
    expect(nextStatus(known, live('False', 'other'), now)).not.to.have.property('agentPod');
    expect(nextStatus(known, live('False'), now)).not.to.have.property('agentPod');
  });

  it('says nothing in standby and while stopping', () => {
    expect(nextStatus({ ...online, tunnel: { kind: 'standby', owner: 'x' } }, live('False'), now)).to.equal(
      undefined,
    );
    expect(nextStatus({ ...online, tunnel: { kind: 'stopping' } }, live('False'), now)).to.equal(undefined);
  });

  it('names code and message of a refusal, and keeps the address that was asked for', () => {
    const known: Known = {
      ...online,
      tunnel: { kind: 'rejected', problem },
      lastError: { ...problem, at: now },
    };
    const next = nextStatus(known, live('False', 'me'), now);
    expect(next?.conditions?.[0]).to.include({ reason: 'TunnelRejected' });
    expect(next?.conditions?.[0]?.message).to.include('no such token').and.include('1000');
    expect(next).to.include({ lastError: '2026-01-02T03:04:05Z 1000 no such token', agentPod: 'me' });
    expect(next).to.include({ forwardingAddress: 'https://web.test' }).and.not.have.property('tunnelID');
    expect(nextStatus({ ...known, stableAddress: false }, live('False', 'me'), now)).not.to.have.property(
      'forwardingAddress',
    );
  });

  it('cuts what an engine makes longer than the schema allows, and is content with that', () => {
    const tunnel = {
      kind: 'online',
      tunnelId: 't'.repeat(5_000),
      forwardingAddress: 'a'.repeat(5_000),
    } as const;
    const lastError = { code: '1000', message: 'm'.repeat(50_000), at: now };
    const next = nextStatus({ ...online, tunnel, lastError }, undefined, now);
    expect(next?.tunnelID).to.equal('t'.repeat(1_024));
    expect(next?.forwardingAddress).to.equal('a'.repeat(1_024));
    expect(next?.lastError).to.have.length(2_048);
    expect(next?.conditions?.[0]?.message).to.have.length.at.most(32_768);
    expect(nextStatus({ ...online, tunnel, lastError }, next, now)).to.equal(undefined);
  });

  it('keeps the last error after recovery', () => {
    const before: AgentStatus = { ...live('False'), lastError: 'long ago 9000 oops' };
    expect(nextStatus(online, before, now)?.lastError).to.equal('long ago 9000 oops');
  });

  it('tells whether the target can be reached', () => {
    const known: Known = { ...online, target: { reachable: false, cause: 'web.demo.svc:80 refused' } };
    const next = nextStatus(known, undefined, now);
    expect(next?.conditions?.[1]).to.include({
      type: 'TargetReachable',
      status: 'False',
      message: 'web.demo.svc:80 refused',
    });
    expect(nextStatus(online, next, now)).to.equal(undefined);
  });

  it('replaces a condition that carries a generation, as those of the Go agent do', () => {
    const said = nextStatus(online, undefined, now);
    const conditions = said?.conditions?.map((condition) => ({ ...condition, observedGeneration: 1 }));
    const next = nextStatus(online, { ...said, conditions }, now);
    expect(next?.conditions?.[0]).to.not.have.property('observedGeneration');
  });
});
