// When PINGs look for what may be lost.

import { expect } from 'chai';
import { QuicProbes } from '../../src/rstream/quic-probes.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('QuicProbes', () => {
  let clock: ManualClock;
  let heardAt: number;
  let quiet: boolean;
  let pings: number[];
  let probes: QuicProbes;
  beforeEach(() => {
    clock = new ManualClock();
    [heardAt, quiet, pings] = [0, false, []];
    probes = new QuicProbes({
      clock,
      silentMs: () => clock.now() - heardAt,
      isQuiet: () => quiet,
      ping: () => pings.push(clock.now()),
    });
    probes.watch();
  });

  it('sends them after a quarter of a second without an answer, then ever more seldom', async () => {
    await clock.advance(6_000);
    expect(pings).to.deep.equal([250, 750, 1_750, 3_750, 5_750]);
  });

  it('waits as long after each packet of the peer', async () => {
    await clock.advance(200);
    heardAt = 200;
    probes.watch();
    await clock.advance(249);
    expect(pings).to.deep.equal([]);
    await clock.advance(1);
    expect(pings).to.deep.equal([450]);
    heardAt = 900;
    await clock.advance(700);
    expect(pings).to.deep.equal([450, 1_150]);
  });

  it('sends none and keeps no timer where nothing is under way, and begins anew with the next packet', async () => {
    quiet = true;
    await clock.advance(250);
    expect(clock.pending).to.equal(0);
    quiet = false;
    probes.watch();
    await clock.advance(250);
    expect(pings).to.deep.equal([500]);
    probes.stop();
    expect(clock.pending).to.equal(0);
  });
});
