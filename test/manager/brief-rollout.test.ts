import { expect } from 'chai';
import type { Condition, ConditionUpdate } from '../../src/api/conditions.ts';
import { announced, briefMs } from '../../src/manager/brief-rollout.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import type { StatusWish } from '../../src/manager/status-writes.ts';
import { ROLLING_OUT } from '../../src/manager/tunnel-conditions.ts';
import { condition, tunnelOf } from './fixtures.ts';

const now = new Date('2026-01-02T00:00:00Z');
const observedGeneration = 2;
const ready = condition('Ready', 'True', 'Ready', { observedGeneration });
const rollout: ConditionUpdate = {
  type: 'Reconciling',
  status: 'True',
  reason: 'RolloutInProgress',
  message: ROLLING_OUT,
  observedGeneration,
};

function live(conditions: readonly Condition[] = [ready], generation = observedGeneration): CachedTunnel {
  const owners = { foreign: [], updaters: [], applied: true };
  const status = { observedGeneration: generation, conditions: [...conditions] } as CachedTunnel['status'];
  return { ...tunnelOf(), ...(status && { status }), owners };
}

const wish = (...conditions: readonly ConditionUpdate[]): StatusWish => ({
  observedGeneration,
  conditions,
  fields: {},
});
const types = ({ conditions }: StatusWish) => conditions.map(({ type }) => type);

describe('a rollout', () => {
  it('is left out while it is new and all there is to say, and looked at again in time', () => {
    const result = announced(live(), wish(ready, rollout), 1_000, now);
    expect(types(result.wish)).to.deep.equal(['Ready']);
    expect(result.againInMs).to.equal(briefMs - 1_000);
  });

  it('is shown once it has taken long', () => {
    const result = announced(live(), wish(ready, rollout), briefMs, now);
    expect(types(result.wish)).to.deep.equal(['Ready', 'Reconciling']);
    expect(result.againInMs).to.equal(undefined);
  });

  const reasons: Record<string, readonly [CachedTunnel, StatusWish]> = {
    'the tunnel is not Ready': [
      live([condition('Ready', 'False', 'WaitingForTunnel', { observedGeneration })]),
      wish(condition('Ready', 'False', 'WaitingForTunnel', { observedGeneration }), rollout),
    ],
    'the generation is a new one': [live([ready], 1), wish(ready, rollout)],
    'something else changes too': [live(), wish({ ...ready, message: 'another' }, rollout)],
    'something hinders it': [live(), wish(ready, { ...rollout, message: `${ROLLING_OUT}: no image` })],
    'it is shown already': [
      live([ready, { ...rollout, lastTransitionTime: ready.lastTransitionTime }]),
      wish(ready, rollout),
    ],
  };
  for (const [what, [tunnel, wanted]] of Object.entries(reasons)) {
    it(`is shown at once when ${what}`, () => {
      expect(announced(tunnel, wanted, 0, now)).to.deep.equal({ wish: wanted, againInMs: undefined });
    });
  }

  it('that is over needs nothing', () => {
    expect(announced(live(), wish(ready), 0, now)).to.deep.equal({ wish: wish(ready), againInMs: undefined });
  });
});
