import { expect } from 'chai';
import { RateLimiter } from '../../src/kube/rate-limiter.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('RateLimiter', () => {
  it('lets a burst through and then so many per second, in order', async () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ qps: 10, burst: 3, clock });
    const served: number[] = [];
    for (let call = 0; call < 8; call += 1) void limiter.acquire().then(() => served.push(call));

    await clock.advance(0);
    expect(served).to.deep.equal([0, 1, 2]);
    await clock.advance(100);
    expect(served).to.deep.equal([0, 1, 2, 3]);
    await clock.advance(1000);
    expect(served).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(clock.pending).to.equal(0);
  });

  it('saves up no more than the burst', async () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ qps: 100, burst: 2, clock });
    await clock.advance(60_000);
    let served = 0;
    for (let call = 0; call < 5; call += 1) {
      void limiter.acquire().then(() => {
        served += 1;
      });
    }

    await clock.advance(0);
    expect(served).to.equal(2);
    await clock.advance(1000);
  });

  it('gives the turn of a caller who gave up to the next', async () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ qps: 1, burst: 1, clock });
    await limiter.acquire();
    const controller = new AbortController();
    const reason = new Error('enough');
    const first = limiter.acquire(controller.signal).catch((error: unknown) => error);
    let second = false;
    void limiter.acquire().then(() => {
      second = true;
    });

    controller.abort(reason);
    expect(await first).to.equal(reason);
    await clock.advance(1000);
    expect(second).to.equal(true);
    expect(limiter.waiting).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it('refuses numbers that make no limit', () => {
    const clock = new ManualClock();
    expect(() => new RateLimiter({ qps: 0, burst: 1, clock })).to.throw(RangeError);
    expect(() => new RateLimiter({ qps: 1, burst: 0, clock })).to.throw(RangeError);
  });
});
