import { expect } from 'chai';
import { Registry } from 'prom-client';
import { silentLogger } from '../../src/common/logging.ts';
import { Controller, type ControllerOptions, type Reconcile } from '../../src/kube/controller.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('Controller', () => {
  let clock: ManualClock;
  let controller: Controller | undefined;

  const start = (reconcile: Reconcile, options: Partial<ControllerOptions> = {}) => {
    const base = { name: 'tunnel', clock, log: silentLogger, random: () => 0, initialRetryMs: 100 };
    controller = new Controller({ ...base, reconcile, ...options });
    controller.start();
    return controller;
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  afterEach(async () => {
    await controller?.stop();
    controller = undefined;
  });

  it('reconciles each key it is given, and again after the time asked for', async () => {
    const seen: string[] = [];
    const running = start(async (key) => {
      seen.push(key);
      return seen.length === 1 ? { requeueAfterMs: 500 } : {};
    });
    running.enqueue('n/a');
    await clock.advance(499);
    expect(seen).to.deep.equal(['n/a']);
    await clock.advance(10_000);
    expect(seen).to.deep.equal(['n/a', 'n/a']);
  });

  it('runs several keys at once, but never one key twice', async () => {
    const running = new Map<string, number>();
    let most = 0;
    let overlapped = false;
    const gates: (() => void)[] = [];
    const busy = start(
      async (key) => {
        overlapped ||= running.has(key);
        running.set(key, 1);
        most = Math.max(most, running.size);
        await new Promise<void>((resolve) => gates.push(resolve));
        running.delete(key);
        return {};
      },
      { workers: 3 },
    );
    for (let round = 0; round < 5; round += 1) {
      for (const key of ['a', 'b', 'c', 'd']) busy.enqueue(key);
      await clock.advance(0);
      for (const open of gates.splice(0)) open();
      await clock.advance(0);
    }
    for (; gates.length > 0; await clock.advance(0)) for (const open of gates.splice(0)) open();

    expect(most).to.equal(3);
    expect(overlapped).to.equal(false);
  });

  it('lets everything else go on between reconciles that wait for nothing', async () => {
    let reconciled = 0;
    const running = start(
      async () => {
        reconciled += 1;
        return {};
      },
      { workers: 4 },
    );
    for (let key = 0; key < 1_000; key += 1) running.enqueue(`${key}`);
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(reconciled).to.be.within(4, 20);
  });

  it('tries again with backoff after a throw, and from the start after a success', async () => {
    const times: number[] = [];
    let failures = 3;
    const running = start(async () => {
      times.push(clock.now());
      if (failures-- > 0) throw new Error('surprise');
      return {};
    });
    running.enqueue('a');
    await clock.advance(60_000);
    expect(times).to.deep.equal([0, 100, 300, 700]);
    expect(running.queue.retrying).to.equal(0);
  });

  it('looks again ever later while that is all it is asked to do', async () => {
    const times: number[] = [];
    let stale = 3;
    const running = start(async () => {
      times.push(clock.now());
      return stale-- > 0 ? { requeue: true } : {};
    });
    running.enqueue('a');
    await clock.advance(60_000);
    expect(times).to.deep.equal([0, 100, 300, 700]);
    expect(running.queue.retrying).to.equal(0);
  });

  it('waits as long as the API server asks', async () => {
    const times: number[] = [];
    const running = start(async () => {
      times.push(clock.now());
      if (times.length === 1) throw new ApiError({ status: 429, message: 'slow down', retryAfterMs: 4000 });
      return {};
    });
    running.enqueue('a');
    await clock.advance(60_000);
    expect(times).to.deep.equal([0, 4000]);
  });

  it('waits no longer than a minute, whatever the API server asks', async () => {
    const times: number[] = [];
    const running = start(async () => {
      times.push(clock.now());
      if (times.length === 1)
        throw new ApiError({ status: 429, message: 'go away', retryAfterMs: 86_400_000 });
      return {};
    });
    running.enqueue('a');
    await clock.advance(120_000);
    expect(times).to.deep.equal([0, 60_000]);
  });

  it('tells a reconcile that takes too long to end, and says when it does not', async () => {
    let signal: AbortSignal | undefined;
    const stuck = Promise.withResolvers<Record<string, never>>();
    const running = start(
      (_key, given) => {
        signal = given;
        return stuck.promise;
      },
      { reconcileTimeoutMs: 1000, stuckAfterMs: 3000 },
    );
    running.enqueue('n/a');
    await clock.advance(999);
    expect(signal?.aborted).to.equal(false);
    await clock.advance(2001);
    expect(signal?.aborted).to.equal(true);
    expect(running.check()).to.equal(undefined);
    await clock.advance(1000);
    expect(running.check()).to.equal('a worker of controller tunnel has been at n/a for 4 s');
    stuck.resolve({});
    await clock.advance(0);
    expect(running.check()).to.equal(undefined);
  });

  it('gives a reconcile two minutes by default, and is stuck after four', async () => {
    let signal: AbortSignal | undefined;
    const stuck = Promise.withResolvers<Record<string, never>>();
    const running = start((_key, given) => {
      signal = given;
      return stuck.promise;
    });
    running.enqueue('n/a');
    await clock.advance(119_999);
    expect(signal?.aborted).to.equal(false);
    await clock.advance(1);
    expect(signal?.aborted).to.equal(true);
    await clock.advance(120_000);
    expect(running.check()).to.equal(undefined);
    await clock.advance(1);
    expect(running.check()).to.include('n/a for 240 s');
    stuck.resolve({});
  });

  it('waits for reconciles under way when it stops, and takes no more', async () => {
    const seen: string[] = [];
    const running = start(async (key, signal) => {
      seen.push(key);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      throw signal.reason;
    });
    running.enqueue('a');
    running.enqueue('b');
    await clock.advance(0);
    await running.stop();
    running.enqueue('c');
    await clock.advance(60_000);
    expect(seen).to.deep.equal(['a']);
    expect(clock.pending).to.equal(0);
  });

  it('reports under the names of controller-runtime', async () => {
    const registry = new Registry();
    const outcomes: Reconcile[] = [
      async () => ({}),
      async () => ({ requeueAfterMs: 100_000 }),
      async () => ({ requeue: true }),
      () => Promise.reject(new Error('surprise')),
    ];
    const running = start(async (...given) => await (outcomes.shift()?.(...given) ?? {}), {
      metrics: new KubeMetrics(registry),
      workers: 4,
    });
    for (const key of ['a', 'b', 'c', 'd']) running.enqueue(key);
    await clock.advance(0);

    const text = await registry.metrics();
    for (const line of [
      'controller_runtime_reconcile_total{controller="tunnel",result="success"} 1',
      'controller_runtime_reconcile_total{controller="tunnel",result="requeue_after"} 1',
      'controller_runtime_reconcile_total{controller="tunnel",result="requeue"} 1',
      'controller_runtime_reconcile_total{controller="tunnel",result="error"} 1',
      'controller_runtime_reconcile_errors_total{controller="tunnel"} 1',
      'controller_runtime_reconcile_time_seconds_count{controller="tunnel"} 4',
      'controller_runtime_max_concurrent_reconciles{controller="tunnel"} 4',
      'controller_runtime_active_workers{controller="tunnel"} 0',
    ]) {
      expect(text).to.contain(`${line}\n`);
    }
  });
});
