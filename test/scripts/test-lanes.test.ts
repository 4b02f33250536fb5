// Jobs share a few lanes, and those behind the gate let others pass.

import { expect } from 'chai';
import { runJobs } from '../../scripts/test-lanes.ts';

describe('lanes', () => {
  it('never run more than they are, and run every job once', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    await runJobs({
      jobs: [1, 2, 3, 4, 5],
      lanes: 2,
      gate: Promise.resolve(),
      needsGate: () => false,
      run: async (job) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        done.push(job);
      },
    });

    expect(most).to.equal(2);
    expect(done.sort()).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('start what waits for the gate only when it has opened', async () => {
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const all = runJobs({
      jobs: ['behind the gate', 'first', 'second'],
      lanes: 2,
      gate: gate.promise.then(() => void order.push('open')),
      needsGate: (job) => job === 'behind the gate',
      run: async (job) => {
        order.push(job);
        if (job === 'second') gate.resolve();
      },
    });

    await all;
    expect(order).to.deep.equal(['first', 'second', 'open', 'behind the gate']);
  });
});
