import { expect } from 'chai';
import { Pulse } from '../../src/agent/pulse.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('pulse', () => {
  it('fails after a minute of nothing and recovers with the next beat', async () => {
    const clock = new ManualClock();
    const pulse = new Pulse(clock);
    await clock.advance(59_000);
    expect(pulse.failure()).to.equal(undefined);
    await clock.advance(1_000);
    expect(pulse.failure()).to.include('stuck');
    pulse.beat();
    expect(pulse.failure()).to.equal(undefined);
  });

  it('counts a minute from when a rest is over', async () => {
    const clock = new ManualClock();
    const pulse = new Pulse(clock);
    pulse.rest(600_000);
    await clock.advance(659_000);
    expect(pulse.failure()).to.equal(undefined);
    await clock.advance(2_000);
    expect(pulse.failure()).to.include('stuck');
  });

  it('lets a long rest be, whatever beats or rests for a shorter time meanwhile', async () => {
    const clock = new ManualClock();
    const pulse = new Pulse(clock);
    pulse.rest(600_000);
    pulse.beat();
    pulse.rest(1_000);
    await clock.advance(659_000);
    expect(pulse.failure()).to.equal(undefined);
    await clock.advance(2_000);
    expect(pulse.failure()).to.include('stuck');
  });
});

describe('target health', () => {
  it('turns after three failures in a row, and back at the first success', () => {
    let turns = 0;
    const health = new TargetHealth(() => {
      turns += 1;
    });
    health.failed('a');
    health.failed('b');
    health.succeeded();
    health.failed('c');
    health.failed('d');
    expect(health.state).to.deep.equal({ reachable: true });
    health.failed('e');
    expect(health.state).to.deep.equal({ reachable: false, cause: 'e' });
    health.failed('e');
    health.succeeded();
    health.succeeded();
    expect(turns).to.equal(3);
  });

  it('tells of another cause too', () => {
    const causes: unknown[] = [];
    const health = new TargetHealth(() => causes.push(health.state));
    for (const cause of ['refused', 'refused', 'refused', 'refused', 'not found']) health.failed(cause);
    expect(causes).to.deep.equal([
      { reachable: false, cause: 'refused' },
      { reachable: false, cause: 'not found' },
    ]);
  });
});
