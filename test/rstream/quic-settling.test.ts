// When a connection takes for arrived what it has sent, by the only thing quiche tells: when it wants to be called next.

import { expect } from 'chai';
import { QuicSettling } from '../../src/rstream/quic-settling.ts';
import { ManualClock } from '../support/manual-clock.ts';

const underWay = 80;
const idle = 30_000;

describe('QuicSettling', () => {
  let clock: ManualClock;
  let settling: QuicSettling;
  let timeout: number | null;
  let told: boolean[];
  const start = (peerMaxIdleTimeout = 0) => {
    clock = new ManualClock();
    timeout = underWay;
    told = [];
    const native = { timeout: () => timeout, stats: () => ({ peerMaxIdleTimeout, recv: 0, recvBytes: 0 }) };
    settling = new QuicSettling({ native, clock, idleTimeoutMs: idle });
    settling.wait((certain) => told.push(certain));
  };

  it('is certain once nothing is waited for but the end of an idle connection', () => {
    start();
    settling.look(0);
    expect(told).to.deep.equal([]);
    timeout = idle;
    settling.look(0);
    settling.look(0);
    expect(told).to.deep.equal([true]);
    expect(settling.awaited).to.equal(false);
  });

  it('goes by the shorter one of the two idle timeouts, and by when the peer was heard', () => {
    start(10_000);
    timeout = 10_000 - 3_000;
    expect(settling.isQuiet(3_000)).to.equal(true);
    expect(settling.isQuiet(0)).to.equal(false);
  });

  it('trusts no long timer of a connection that has been silent for long: it may be one that sends again', () => {
    start();
    timeout = idle - 16_000;
    expect(settling.isQuiet(16_000)).to.equal(false);
    timeout = null;
    expect(settling.isQuiet(0)).to.equal(false);
  });

  it('is as good as certain after three rounds in which something always was under way', async () => {
    start();
    await clock.advance(3 * underWay - 1);
    settling.look(0);
    expect(told).to.deep.equal([]);
    await clock.advance(1);
    settling.look(0);
    expect(told).to.deep.equal([false]);
  });

  it('does not count time in which the peer was not heard', async () => {
    start();
    await clock.advance(60_000);
    settling.look(60_000);
    expect(told).to.deep.equal([]);
    settling.look(0);
    expect(told).to.deep.equal([false]);
  });
});
