import { expect } from 'chai';
import { type TakeoverInput, TakeoverWatch } from '../../src/manager/takeover.ts';
import { condition, pod } from './fixtures.ts';

const online = [condition('TunnelReady', 'True', 'TunnelOnline')];
const uid = 'tunnel-1';

describe('taking over the word of a vanished agent', () => {
  let watch: TakeoverWatch;
  const judge = (now: number, input: Partial<TakeoverInput>) =>
    watch.judge(uid, { conditions: online, agentPod: 'a', tunnelId: 't1', pods: [], now, ...input });

  beforeEach(() => {
    watch = new TakeoverWatch();
  });

  const away: readonly (readonly [string, Partial<TakeoverInput>])[] = [
    ['is gone', { pods: [] }],
    ['is terminating', { pods: [pod('a', { terminating: true })] }],
    ['is not Ready', { pods: [pod('a', { ready: false })] }],
    ['is gone while another one is Ready', { pods: [pod('b')] }],
    ['is not named and none is Ready', { agentPod: undefined, pods: [pod('a', { ready: false })] }],
  ];
  for (const [what, input] of away) {
    it(`is due ten seconds after the Pod ${what}, and not before`, () => {
      expect(judge(0, input)).to.deep.equal({ inMs: 10_000 });
      expect(judge(9_999, input)).to.deep.equal({ inMs: 1 });
      expect(judge(10_000, input)).to.deep.equal({ due: true });
    });
  }

  const served: readonly (readonly [string, Partial<TakeoverInput>])[] = [
    ['the Pod is Ready', { pods: [pod('a')] }],
    [
      'any Pod is Ready and none is named',
      { agentPod: undefined, pods: [pod('x', { ready: false }), pod('y')] },
    ],
    ['TunnelReady is False', { conditions: [condition('TunnelReady', 'False', 'TunnelRejected')] }],
    ['TunnelReady is Unknown', { conditions: [condition('TunnelReady', 'Unknown', 'AgentUnavailable')] }],
    ['no agent has spoken', { conditions: undefined }],
  ];
  for (const [what, input] of served) {
    it(`never comes while ${what}`, () => {
      expect(judge(0, input)).to.equal(undefined);
      expect(judge(60_000, input)).to.equal(undefined);
      expect(watch.size).to.equal(0);
    });
  }

  it('counts anew after the Pod has been Ready', () => {
    judge(0, {});
    expect(judge(9_000, { pods: [pod('a')] })).to.equal(undefined);
    expect(judge(11_000, {})).to.deep.equal({ inMs: 10_000 });
  });

  it('gives another Pod that has just come online its own ten seconds', () => {
    judge(0, {});
    const fresh = { agentPod: 'b', tunnelId: 't2', pods: [pod('b', { ready: false })] };
    expect(judge(10_500, fresh)).to.deep.equal({ inMs: 10_000 });
  });

  it('gives the same Pod ten seconds when it is online again', () => {
    judge(0, {});
    const fresh = { tunnelId: 't2', pods: [pod('a', { ready: false })] };
    expect(judge(10_500, fresh)).to.deep.equal({ inMs: 10_000 });
  });

  it('forgets tunnels that are gone', () => {
    judge(0, {});
    watch.forget(uid);
    expect(watch.size).to.equal(0);
  });
});
