import { expect } from 'chai';
import { Registry } from 'prom-client';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { Workqueue } from '../../src/kube/workqueue.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('Workqueue', () => {
  let clock: ManualClock;
  let queue: Workqueue;

  beforeEach(() => {
    clock = new ManualClock();
    queue = new Workqueue({ clock, random: () => 0, initialRetryMs: 100, maxRetryMs: 1000 });
  });

  it('gives keys in the order they came, each once', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);

    expect([await queue.take(), await queue.take(), await queue.take()]).to.deep.equal(['a', 'b', 'c']);
    expect(queue.depth).to.equal(0);
  });

  it('gives every second time a key that is urgent, so that neither those nor the others wait for all of the rest', async () => {
    const urgent = new Set(['u', 'v']);
    queue = new Workqueue({ clock, isUrgent: (key) => urgent.has(key) });
    for (const key of ['a', 'b', 'c', 'u', 'v', 'w', 'd']) queue.add(key);
    urgent.add('w');
    queue.add('w');

    const given: (string | undefined)[] = [];
    while (queue.depth > 0) given.push(await queue.take());
    expect(given.join('')).to.equal('uavbwcd');
  });

  it('gives a key to a worker that waits already', async () => {
    const [first, second] = [queue.take(), queue.take()];
    queue.add('a');
    queue.add('b');
    expect([await first, await second]).to.deep.equal(['a', 'b']);
  });

  it('never gives a key twice at once, and again when it was added meanwhile', async () => {
    queue.add('a');
    await queue.take();
    let again: string | undefined;
    void queue.take().then((key) => {
      again = key;
    });
    queue.add('a');
    queue.add('a');

    await clock.advance(0);
    expect(again).to.equal(undefined);
    queue.done('a');
    await clock.advance(0);
    expect(again).to.equal('a');
    queue.done('a');
    expect(queue.depth).to.equal(0);
  });

  it('waits before it gives a delayed key; the earliest of several delays counts', async () => {
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 900);
    await clock.advance(99);
    expect(queue.depth).to.equal(0);
    await clock.advance(1);
    expect(queue.depth).to.equal(1);
    expect(clock.pending).to.equal(0);
  });

  it('gives a delayed key at once when it is added', async () => {
    queue.addAfter('a', 500);
    queue.add('a');
    expect(await queue.take()).to.equal('a');
    queue.done('a');
    await clock.advance(1000);
    expect(queue.depth).to.equal(0);
  });

  it('takes a delay longer than a timer can wait', () => {
    queue.addAfter('a', Number.MAX_SAFE_INTEGER);
    expect(clock.nextDelayMs).to.equal(2 ** 31 - 1);
  });

  it('backs off per key up to the cap, and starts anew once forgotten', async () => {
    const delays: (number | undefined)[] = [];
    const retry = async () => {
      queue.addRateLimited('a');
      delays.push(clock.nextDelayMs);
      await clock.advance(5000);
      await queue.take();
      queue.done('a');
    };
    for (let attempt = 0; attempt < 6; attempt += 1) await retry();
    queue.forget('a');
    await retry();

    expect(delays).to.deep.equal([100, 200, 400, 800, 1000, 1000, 100]);
    queue.addRateLimited('b', 7000);
    expect(clock.nextDelayMs).to.equal(7000);
  });

  it('spreads retries by chance', () => {
    const spread = new Workqueue({ clock, random: () => 0.5, initialRetryMs: 100 });
    spread.addRateLimited('a');
    expect(clock.nextDelayMs).to.equal(75);
  });

  it('lets go of everything at shutdown', async () => {
    const waiting = queue.take();
    queue.shutdown();
    queue.add('a');
    queue.addAfter('b', 10);
    queue.addRateLimited('c');

    expect(await waiting).to.equal(undefined);
    expect(await queue.take()).to.equal(undefined);
    expect([clock.pending, queue.depth, queue.retrying]).to.deep.equal([0, 0, 0]);
  });

  it('drops keys that wait, delayed or not, at shutdown', async () => {
    queue.add('a');
    queue.addAfter('b', 10);
    queue.shutdown();
    await clock.advance(1000);
    expect(queue.depth).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it('stops waiting when the signal aborts', async () => {
    const controller = new AbortController();
    const waiting = queue.take(controller.signal);
    controller.abort();
    expect(await waiting).to.equal(undefined);
    queue.add('a');
    expect(queue.depth).to.equal(1);
  });

  it('reports depth, waits, work and retries under the names of client-go', async () => {
    const registry = new Registry();
    const measured = new Workqueue({ clock, metrics: new KubeMetrics(registry).queue('tunnel') });
    measured.add('a');
    measured.add('b');
    await clock.advance(2000);
    await measured.take();
    await clock.advance(3000);
    const during = await registry.metrics();
    measured.done('a');
    measured.addRateLimited('a');
    const after = await registry.metrics();

    const labels = '{name="tunnel",controller="tunnel"}';
    expect(during).to.contain(`workqueue_depth${labels} 1`);
    expect(during).to.contain(`workqueue_adds_total${labels} 2`);
    expect(during).to.contain(`workqueue_queue_duration_seconds_sum${labels} 2`);
    expect(during).to.contain(`workqueue_unfinished_work_seconds${labels} 3`);
    expect(during).to.contain(`workqueue_longest_running_processor_seconds${labels} 3`);
    expect(after).to.contain(`workqueue_work_duration_seconds_sum${labels} 3`);
    expect(after).to.contain(`workqueue_unfinished_work_seconds${labels} 0`);
    expect(after).to.contain(`workqueue_retries_total${labels} 1`);
    measured.shutdown();
  });
});
