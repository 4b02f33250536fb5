import { expect } from 'chai';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('sleep', () => {
  it('resolves once the time has passed, and not before', async () => {
    const clock = new ManualClock();
    let woke = false;
    const sleeping = sleep(clock, 1000).then(() => {
      woke = true;
    });

    await clock.advance(999);
    expect(woke).to.equal(false);
    await clock.advance(1);
    await sleeping;
    expect(woke).to.equal(true);
  });

  it('rejects with the reason of the signal and leaves no timer', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const outcome = sleep(clock, 1000, abort.signal).catch((error: unknown) => error);
    abort.abort(new Error('enough'));

    expect(await outcome).to.have.property('message', 'enough');
    expect(clock.pending).to.equal(0);
  });

  it('rejects at once when the signal has aborted already', async () => {
    const clock = new ManualClock();
    const outcome = await sleep(clock, 1000, AbortSignal.abort(new Error('late'))).catch(
      (error: unknown) => error,
    );

    expect(outcome).to.have.property('message', 'late');
    expect(clock.pending).to.equal(0);
  });
});

describe('systemClock', () => {
  it('runs a callback after the delay and not after cancel', async () => {
    const ran: string[] = [];
    systemClock.after(1, () => ran.push('cancelled')).cancel();
    await new Promise<void>((resolve) => systemClock.after(2, resolve));

    expect(ran).to.deep.equal([]);
  });

  it('refuses a delay that Node would turn into no delay', () => {
    expect(() => systemClock.after(2 ** 31, () => {})).to.throw(RangeError);
    expect(() => systemClock.after(Number.NaN, () => {})).to.throw(RangeError);
  });
});
