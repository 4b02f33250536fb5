import { expect } from 'chai';
import { currentReport, runningGeneration } from '../../src/manager/running-generation.ts';
import { condition, pod } from './fixtures.ts';

const live = [condition('Ready', 'True', 'Ready', { observedGeneration: 1 })];

describe('the generation that really runs', () => {
  const cases = [
    ['the Pod that holds the tunnel runs this one', { hash: 'h1', agentPod: 'a', pods: [pod('a')] }, 3],
    ['it runs an older one', { hash: 'h2', agentPod: 'a', pods: [pod('a'), pod('b', { hash: 'h2' })] }, 1],
    ['this one cannot be rendered', { hash: undefined, agentPod: 'a', pods: [pod('a')] }, 1],
    [
      'the new Pod holds the tunnel',
      { hash: 'h2', agentPod: 'b', pods: [pod('a'), pod('b', { hash: 'h2' })] },
      3,
    ],
    ['no Pod holds it', { hash: 'h2', agentPod: undefined, pods: [pod('a')] }, 3],
    ['the Pod that held it is gone', { hash: 'h2', agentPod: 'z', pods: [pod('a')] }, 3],
  ] as const;
  for (const [what, input, expected] of cases) {
    it(`is ${expected} of 3 when ${what}`, () => {
      expect(runningGeneration({ generation: 3, live, ...input })).to.equal(expected);
    });
  }

  it('is never one that does not exist yet', () => {
    const ahead = [condition('Ready', 'True', 'Ready', { observedGeneration: 9 })];
    const input = { generation: 3, hash: 'h2', agentPod: 'a', pods: [pod('a')], live: ahead };
    expect(runningGeneration(input)).to.equal(3);
  });

  const refused = [condition('TunnelReady', 'False', 'TunnelRejected', { message: 'no (code 2000)' })];
  const refusals = [
    ['all agents run it', [pod('a', { ready: false })], refused, 'no (code 2000)'],
    [
      'the last of the old ones is ending',
      [pod('a', { hash: 'h0', terminating: true }), pod('b')],
      refused,
      'no (code 2000)',
    ],
    ['an old one is still there', [pod('a', { hash: 'h0' }), pod('b')], refused, undefined],
    ['no agent is there', [], refused, undefined],
    ['nobody was refused', [pod('a')], live, undefined],
  ] as const;
  for (const [what, pods, conditions, expected] of refusals) {
    it(`${expected ? 'is' : 'is not'} what the engine refuses when ${what}`, () => {
      expect(currentReport({ hash: 'h1', pods, live: conditions }).refusal).to.equal(expected);
    });
  }

  for (const [reason, expected] of [
    ['TunnelDisconnected', 'TunnelReady says TunnelDisconnected'],
    ['TunnelConnecting', 'TunnelReady says TunnelConnecting'],
    ['TunnelRejected', undefined],
    ['AgentUnavailable', undefined],
  ] as const) {
    it(`${expected ? 'is' : 'is not'} still connecting when agents say ${reason}`, () => {
      const said = [condition('TunnelReady', 'False', reason)];
      expect(currentReport({ hash: 'h1', pods: [pod('a')], live: said }).connecting).to.equal(expected);
      expect(currentReport({ hash: 'h2', pods: [pod('a')], live: said })).to.deep.equal({});
    });
  }
});
