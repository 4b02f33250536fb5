import { expect } from 'chai';

import {
  type Condition,
  findCondition,
  isConditionTrue,
  kubernetesTime,
  MAX_CONDITION_MESSAGE,
  setCondition,
} from '../../src/api/conditions.ts';

const EARLIER = '2026-01-01T00:00:00Z';
const NOW = new Date('2026-02-02T02:02:02.987Z');

const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Ready',
  message: 'ok',
  lastTransitionTime: EARLIER,
  observedGeneration: 1,
};
const accepted: Condition = { ...ready, type: 'Accepted', reason: 'Accepted' };

describe('conditions', () => {
  it('keeps lastTransitionTime while the status is unchanged', () => {
    const update = {
      type: 'Ready',
      status: 'True',
      reason: 'Other',
      message: 'new',
      observedGeneration: 2,
    } as const;

    expect(setCondition([accepted, ready], update, NOW)).to.deep.equal([
      accepted,
      { ...update, lastTransitionTime: EARLIER },
    ]);
  });

  it('moves lastTransitionTime with the status', () => {
    const update = { type: 'Ready', status: 'False', reason: 'Other', message: '' } as const;

    expect(setCondition([ready, accepted], update, NOW)).to.deep.equal([
      { ...update, lastTransitionTime: '2026-02-02T02:02:02Z' },
      accepted,
    ]);
  });

  it('appends a new type and leaves its input alone', () => {
    const before = Object.freeze([accepted]);
    const after = setCondition(before, { type: 'Ready', status: 'Unknown', reason: 'R', message: '' }, NOW);

    expect(after.map((condition) => condition.type)).to.deep.equal(['Accepted', 'Ready']);
    expect(setCondition(undefined, ready, NOW)).to.have.length(1);
  });

  it('clips a message at the API server bound', () => {
    const update = { type: 'Ready', status: 'True', reason: 'R', message: 'm'.repeat(40_000) } as const;

    expect(setCondition([], update, NOW)[0]?.message).to.have.length(MAX_CONDITION_MESSAGE);
  });

  it('finds by type', () => {
    expect(findCondition([accepted, ready], 'Ready')).to.equal(ready);
    expect(findCondition(undefined, 'Ready')).to.equal(undefined);
    expect(isConditionTrue([ready], 'Ready')).to.equal(true);
    expect(isConditionTrue([{ ...ready, status: 'Unknown' }], 'Ready')).to.equal(false);
  });

  it('writes times as the API server does', () => {
    expect(kubernetesTime(NOW)).to.equal('2026-02-02T02:02:02Z');
  });
});
