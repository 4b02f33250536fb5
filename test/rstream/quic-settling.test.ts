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
  let lost: number;
  let pings: number;
  let settled: number;
  const start = (peerMaxIdleTimeout = 0) => {
    clock = new ManualClock();
    timeout = underWay;
    [lost, pings, settled] = [0, 0, 0];
    const native = {
      timeout: () => timeout,
      stats: () => ({ peerMaxIdleTimeout, recv: 0, recvBytes: 0, lost }),
    };
    settling = new QuicSettling({ native, clock, idleTimeoutMs: idle, ping: () => (pings += 1 / 4) });
    settling.wait(0, () => (settled += 1));
  };

  it('sends a PING once nothing is waited for but the end of an idle connection, and goes by its answer', () => {
    start();
    settling.look(0);
    expect([pings, settled]).to.deep.equal([0, 0]);
    timeout = idle;
    settling.look(0);
    expect([pings, settled]).to.deep.equal([1, 0]);
    settling.look(0);
    settling.look(0);
    expect([pings, settled]).to.deep.equal([1, 1]);
    expect(settling.awaited).to.equal(false);
  });

  it('sends another PING when the answer showed that something was missing', () => {
    start();
    timeout = idle;
    settling.look(0);
    lost = 1;
    settling.look(0);
    expect([pings, settled]).to.deep.equal([2, 0]);
    settling.look(0);
    expect(settled).to.equal(1);
  });

  it('sends the PING at once where nothing is under way', () => {
    start();
    timeout = idle;
    settling.wait(0, () => (settled += 1));
    expect(pings).to.equal(1);
    settling.look(0);
    expect(settled).to.equal(2);
  });

  it('sends PINGs by itself, ever more seldom, until nobody waits', async () => {
    start();
    await clock.advance(100 + 200 + 400);
    expect(pings).to.equal(3);
    timeout = idle;
    settling.look(0);
    expect(settled).to.equal(1);
    expect(clock.pending).to.equal(0);
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
    expect(settled).to.equal(0);
    await clock.advance(1);
    settling.look(0);
    expect(settled).to.equal(1);
  });

  it('does not count time in which the peer was not heard', async () => {
    start();
    await clock.advance(60_000);
    settling.look(60_000);
    expect(settled).to.equal(0);
    settling.look(0);
    expect(settled).to.equal(1);
  });
});
