import { expect } from 'chai';

import {
  type Condition,
  type ConditionUpdate,
  findCondition,
  isConditionTrue,
  kubernetesTime,
  MAX_CONDITION_MESSAGE,
  nextCondition,
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
    const update: ConditionUpdate = {
      ...{ type: 'Ready', status: 'True', reason: 'InvalidSpec' },
      ...{ message: 'new', observedGeneration: 2 },
    };

    expect(nextCondition([accepted, ready], update, NOW)).to.deep.equal({
      ...update,
      lastTransitionTime: EARLIER,
    });
  });

  it('moves lastTransitionTime with the status, and has one from the beginning', () => {
    const update = { type: 'Ready', status: 'False', reason: 'InvalidSpec', message: '' } as const;
    const next = { ...update, lastTransitionTime: '2026-02-02T02:02:02Z' };

    expect(nextCondition([ready, accepted], update, NOW)).to.deep.equal(next);
    expect(nextCondition(undefined, update, NOW)).to.deep.equal(next);
  });

  it('clips a message at the API server bound', () => {
    const message = 'm'.repeat(40_000);
    const update = { type: 'Ready', status: 'True', reason: 'Ready', message } as const;

    expect(nextCondition([], update, NOW).message).to.have.length(MAX_CONDITION_MESSAGE);
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
