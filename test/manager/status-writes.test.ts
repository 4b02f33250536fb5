import { expect } from 'chai';
import {
  connectionContract,
  type LiveStatus,
  type StatusWish,
  statusWrites,
  tunnelContract,
} from '../../src/manager/status-writes.ts';
import { condition, EARLIER } from './fixtures.ts';

const now = new Date('2026-02-03T04:05:06.789Z');
const ready = {
  type: 'Ready',
  status: 'True',
  reason: 'Ready',
  message: 'm',
  observedGeneration: 3,
} as const;
const wish: StatusWish = {
  observedGeneration: 3,
  conditions: [ready],
  fields: { target: 'app:80', hostname: undefined },
};
const live: LiveStatus = {
  observedGeneration: 3,
  target: 'app:80',
  conditions: [{ ...ready, lastTransitionTime: EARLIER }],
};
const agents = {
  tunnelID: 't1',
  forwardingAddress: 'https://x',
  agentPod: 'a',
  lastError: 'e',
  conditions: [
    condition('TunnelReady', 'True', 'TunnelOnline'),
    condition('TargetReachable', 'True', 'TargetReachable'),
  ],
};

function writes(status: LiveStatus | undefined, foreign: readonly string[] = [], wanted = wish) {
  return statusWrites(tunnelContract, status, foreign, wanted, now);
}

describe("the manager's writes of a status", () => {
  it('are none when nothing changed, whatever agents say', () => {
    expect(writes(live).isChanged).to.equal(false);
    const conditions = [...(live.conditions ?? []), ...agents.conditions];
    expect(writes({ ...live, ...agents, conditions }).isChanged).to.equal(false);
  });

  it('carry every field of the manager, and none of an agent', () => {
    const { own, removals } = writes({ ...live, ...agents });
    expect(own).to.deep.equal({
      observedGeneration: 3,
      target: 'app:80',
      conditions: [{ ...ready, lastTransitionTime: '2026-02-03T04:05:06Z' }],
    });
    expect(removals).to.deep.equal([]);
  });

  const changes: readonly (readonly [string, LiveStatus | undefined])[] = [
    ['there is no status', undefined],
    ['the generation is another one', { ...live, observedGeneration: 2 }],
    ['a field is another one', { ...live, target: 'evil:80' }],
    ['a field should not be there', { ...live, hostname: 'evil.example.com' }],
    ['a condition is missing', { ...live, conditions: [] }],
    [
      'a condition should not be there',
      { ...live, conditions: [...(live.conditions ?? []), condition('Stalled', 'True', 'X')] },
    ],
    [
      'a message is another one',
      { ...live, conditions: [{ ...ready, message: 'evil', lastTransitionTime: EARLIER }] },
    ],
    [
      'its generation is another one',
      { ...live, conditions: [{ ...ready, observedGeneration: 9, lastTransitionTime: EARLIER }] },
    ],
  ];
  for (const [what, status] of changes) {
    it(`are needed when ${what}`, () => {
      expect(writes(status).isChanged).to.equal(true);
    });
  }

  it('move lastTransitionTime with the status only', () => {
    const time = (status: 'True' | 'False') =>
      writes({ ...live, conditions: [condition('Ready', status, 'Other')] }).own.conditions[0]
        ?.lastTransitionTime;
    expect(time('True')).to.equal(EARLIER);
    expect(time('False')).to.equal('2026-02-03T04:05:06Z');
  });

  it('drop what only the manager wrote by leaving it out, and patch away what somebody else wrote', () => {
    const conditions = [
      condition('Stalled', 'True', 'X'),
      ...(live.conditions ?? []),
      condition('Reconciling', 'True', 'X'),
    ];
    const leftover: LiveStatus = { ...live, hostname: 'h', agentDeployment: 'd', conditions };
    expect(writes(leftover).removals).to.deep.equal([]);
    const foreign = [
      'hostname',
      'conditions/Stalled',
      'conditions/Reconciling',
      'tunnelID',
      'conditions/TunnelReady',
    ];
    expect(writes(leftover, foreign).removals).to.deep.equal([
      { op: 'remove', path: '/status/hostname' },
      { op: 'remove', path: '/status/conditions/2' },
      { op: 'remove', path: '/status/conditions/0' },
    ]);
  });

  it('know the fields of a connection', () => {
    const status: LiveStatus = {
      ...live,
      conditions: live.conditions,
      engine: 'e',
      region: 'eu',
      target: undefined,
    };
    const wanted = { ...wish, fields: { engine: 'e' } };
    expect(statusWrites(connectionContract, status, ['region'], wanted, now).removals).to.deep.equal([
      { op: 'remove', path: '/status/region' },
    ]);
  });
});
