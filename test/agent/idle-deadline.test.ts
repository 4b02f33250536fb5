import { expect } from 'chai';
import { idleDeadline } from '../../src/agent/idle-deadline.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('the idle deadline', () => {
  it('comes a whole while after the last move, once', async () => {
    const clock = new ManualClock();
    const idleAt: number[] = [];
    const deadline = idleDeadline(clock, 1_000, () => idleAt.push(clock.now()));
    for (const at of [1, 500, 1_400, 1_900]) {
      await clock.advance(at - clock.now());
      deadline.moved();
    }
    await clock.advance(10_000);
    expect(idleAt).to.deep.equal([2_900]);
    expect(clock.pending).to.equal(0);
  });

  it('does not come once it is cancelled', async () => {
    const clock = new ManualClock();
    const deadline = idleDeadline(clock, 1_000, () => expect.fail('it came'));
    await clock.advance(500);
    deadline.moved();
    await clock.advance(700);
    deadline.cancel();
    expect(clock.pending).to.equal(0);
  });
});
