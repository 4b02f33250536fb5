import { expect } from 'chai';
import type { RstreamError } from '../../src/rstream/errors.ts';
import { Heartbeats } from '../../src/rstream/heartbeats.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('Heartbeats', () => {
  it('end a legacy channel none of whose heartbeats can be written for a minute', async () => {
    const clock = new ManualClock();
    const errors: RstreamError[] = [];
    const heartbeats = new Heartbeats({
      mode: { kind: 'legacy', intervalMs: 10_000 },
      clock,
      send: () => {},
      expired: (error) => errors.push(error),
    });
    heartbeats.start();

    await clock.advance(59_000);
    expect(errors).to.have.length(0);
    await clock.advance(1_000);
    expect(errors).to.have.length(1);
    expect(clock.pending).to.equal(0);
  });

  it('leave no timer behind once stopped', async () => {
    const clock = new ManualClock();
    const heartbeats = new Heartbeats({
      mode: { kind: 'negotiated', intervalMs: 1_000, timeoutMs: 3_000 },
      clock,
      send: (_sequence, written) => written(),
      expired: () => expect.fail('must not expire'),
    });
    heartbeats.start();
    await clock.advance(2_000);
    heartbeats.stop();

    expect(clock.pending).to.equal(0);
  });
});
