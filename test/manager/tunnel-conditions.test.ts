import { expect } from 'chai';
import type { AgentHealth } from '../../src/manager/agent-health.ts';
import { type TunnelFindings, tunnelConditions } from '../../src/manager/tunnel-conditions.ts';
import { reasonPairs, tunnelReasonTable } from '../support/condition-reasons.ts';
import { condition } from './fixtures.ts';

const healthy: AgentHealth = {
  status: 'True',
  reason: 'DeploymentAvailable',
  message: 'Deployment x is available',
  rollingOut: false,
};
const pending: AgentHealth = {
  status: 'False',
  reason: 'DeploymentPending',
  message: 'not available yet',
  rollingOut: true,
};
const failed: AgentHealth = { ...pending, reason: 'DeploymentFailed', message: 'no such image' };
const online = [condition('TunnelReady', 'True', 'TunnelOnline')];
const rejected = (engineRefusal: string) => ({
  agent: pending,
  engineRefusal,
  live: [condition('TunnelReady', 'False', 'TunnelRejected', { message: engineRefusal })],
});

const good: TunnelFindings = {
  generation: 5,
  suspended: false,
  resolution: { resolved: true, message: 'forwarding' },
  agent: healthy,
  runningGeneration: 5,
  engineRefusal: undefined,
  live: online,
};
const contract = reasonPairs(tunnelReasonTable);

/** The condition of that type; all of them keep to the reasons that users know. */
function find(findings: Partial<TunnelFindings>, type: string) {
  const conditions = tunnelConditions({ ...good, ...findings });
  expect(contract).to.include.members(
    conditions.map(({ type: name, status, reason }) => `${name}=${status}/${reason}`),
  );
  return conditions.find((candidate) => candidate.type === type);
}
const missing = { reason: 'ServiceMissing', message: 'create it' } as const;

describe("a tunnel's conditions", () => {
  it('are six at most, of the manager alone, and carry the generation looked at', () => {
    const conditions = tunnelConditions({ ...good, runningGeneration: 4 });
    const generations = conditions.map(({ type, observedGeneration }) => [type, observedGeneration]);
    expect(generations).to.deep.equal([
      ['Accepted', 5],
      ['Resolved', 5],
      ['AgentReady', 5],
      ['Ready', 4],
    ]);
  });

  const readiness: readonly (readonly [string, Partial<TunnelFindings>, string, string, string])[] = [
    ['all is well', {}, 'True', 'Ready', 'TunnelReady says TunnelOnline'],
    ['suspended', { suspended: true }, 'False', 'Suspended', 'spec.suspend is true; no agent runs'],
    ['the spec is bad', { specProblem: 'no such image' }, 'False', 'InvalidSpec', 'no such image'],
    ['a reference is missing', { resolution: missing }, 'False', 'ServiceMissing', 'create it'],
    [
      'the spec is bad and a reference missing',
      { specProblem: 'bad', resolution: missing },
      'False',
      'InvalidSpec',
      'bad',
    ],
    [
      'the Deployment is on its way',
      { agent: pending },
      'False',
      'WaitingForDeployment',
      'not available yet',
    ],
    ['the Deployment failed', { agent: failed }, 'False', 'DeploymentFailed', 'no such image'],
    ['the engine refuses', rejected('no (code 2000)'), 'False', 'TunnelRejected', 'no (code 2000)'],
    [
      'the engine refuses an agent that still counts as available',
      { ...rejected('no (code 2000)'), agent: healthy },
      'False',
      'TunnelRejected',
      'no (code 2000)',
    ],
    [
      'the agent is connecting',
      { live: [condition('TunnelReady', 'False', 'TunnelConnecting')] },
      'False',
      'WaitingForTunnel',
      'TunnelReady says TunnelConnecting',
    ],
    [
      'the connection broke',
      { live: [condition('TunnelReady', 'False', 'TunnelDisconnected')] },
      'False',
      'WaitingForTunnel',
      'TunnelReady says TunnelDisconnected',
    ],
    [
      'the agent vanished',
      { live: [condition('TunnelReady', 'Unknown', 'AgentUnavailable')] },
      'False',
      'WaitingForTunnel',
      'TunnelReady says AgentUnavailable',
    ],
    [
      'nobody has spoken',
      { live: [] },
      'False',
      'WaitingForTunnel',
      'the agent has not reported the tunnel yet',
    ],
  ];
  for (const [what, findings, status, reason, message] of readiness) {
    it(`say Ready=${status}/${reason} when ${what}`, () => {
      expect(find(findings, 'Ready')).to.include({ status, reason, message });
    });
  }

  it('keep their own reasons beside each other', () => {
    const findings = { specProblem: 'bad', resolution: missing, agent: pending };
    expect(find(findings, 'Accepted')).to.include({ status: 'False', reason: 'InvalidSpec', message: 'bad' });
    expect(find(findings, 'Resolved')).to.include({ status: 'False', ...missing });
    expect(find(findings, 'AgentReady')).to.include({ status: 'False', reason: 'DeploymentPending' });
    expect(find({}, 'Accepted')).to.include({ status: 'True', reason: 'Accepted' });
    expect(find({}, 'Resolved')).to.include({ status: 'True', reason: 'Resolved', message: 'forwarding' });
    expect(find({}, 'AgentReady')).to.include({ status: 'True', reason: 'DeploymentAvailable' });
  });

  const stalled: readonly (readonly [string, Partial<TunnelFindings>, string | undefined])[] = [
    ['all is well', {}, undefined],
    ['the spec is bad', { specProblem: 'bad' }, 'InvalidSpec'],
    [
      'a reference is not permitted',
      { resolution: { reason: 'RefNotPermitted', message: 'm' } },
      'RefNotPermitted',
    ],
    ['a reference is missing', { resolution: missing }, undefined],
    ['a reference is missing and the agent before failed', { resolution: missing, agent: failed }, undefined],
    ['the Deployment failed', { agent: failed }, 'DeploymentFailed'],
    ['the Deployment is on its way', { agent: pending }, undefined],
    ['the engine refuses', rejected('no (code 2000)'), 'TunnelRejected'],
    ['the token has run out', rejected('no (code ERR_RSTREAM_TOKEN_EXPIRED)'), 'TunnelRejected'],
    ['the engine names a port like a code', rejected('port 6000 is taken (code 2000)'), 'TunnelRejected'],
    ['the engine’s words end like a code', rejected('no (code 6000) (code 2000)'), 'TunnelRejected'],
    ['the engine is unavailable', rejected('later (code 6000)'), undefined],
    ['the engine is full', rejected('later (code 7000)'), undefined],
    ['the engine fails', rejected('oops (code 9000)'), undefined],
    ['an older agent was refused', { ...rejected('no (code 2000)'), engineRefusal: undefined }, undefined],
    ['suspended', { suspended: true, specProblem: 'bad', agent: failed }, undefined],
  ];
  for (const [what, findings, reason] of stalled) {
    it(`${reason ? `are Stalled with ${reason}` : 'are not Stalled'} when ${what}`, () => {
      expect(find(findings, 'Stalled')?.reason).to.equal(reason);
      if (reason) expect(find(findings, 'Stalled')).to.include({ status: 'True', observedGeneration: 5 });
    });
  }

  const reconciling: readonly (readonly [string, Partial<TunnelFindings>, boolean])[] = [
    ['a rollout is under way', { agent: pending }, true],
    ['a handover is under way', { agent: { ...healthy, rollingOut: true } }, true],
    ['an older agent was refused', { ...rejected('no (code 2000)'), engineRefusal: undefined }, true],
    ['all is well', {}, false],
    ['suspended', { suspended: true, agent: pending }, false],
    ['a reference is missing', { resolution: missing, agent: pending }, false],
    ['the Deployment failed', { agent: failed }, false],
  ];
  for (const [what, findings, expected] of reconciling) {
    it(`are ${expected ? '' : 'not '}Reconciling when ${what}`, () => {
      expect(find(findings, 'Reconciling') !== undefined).to.equal(expected);
      if (expected) expect(find(findings, 'Stalled')).to.equal(undefined);
    });
  }

  it('tell what holds a handover up', () => {
    const agent = { ...healthy, rollingOut: true, hindrance: 'the image cannot be pulled' };
    expect(find({ agent }, 'Reconciling')?.message).to.include('the image cannot be pulled');
    expect(find({ agent }, 'Ready')?.status).to.equal('True');
  });
});
