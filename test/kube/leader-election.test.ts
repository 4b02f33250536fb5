import { expect } from 'chai';
import { Registry } from 'prom-client';
import { silentLogger } from '../../src/common/logging.ts';
import { LeaderElector, type LeadershipEnd } from '../../src/kube/leader-election.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { type Fault, LeaseServer } from '../support/lease-server.ts';
import { ManualClock } from '../support/manual-clock.ts';

interface Candidate {
  readonly elector: LeaderElector;
  readonly fault: { now: Fault };
  readonly shutdown: AbortController;
  /** Ends the leader's work. */
  readonly finish: PromiseWithResolvers<void>;
  /** Times at which its work began. */
  readonly led: number[];
  workSignal: AbortSignal | undefined;
  end: LeadershipEnd | Error | undefined;
}

describe('LeaderElector', () => {
  let clock: ManualClock;
  let server: LeaseServer;
  let candidates: Candidate[];

  const candidate = (identity: string, registry = new Registry()): Candidate => {
    const fault = { now: 'none' as Fault };
    const finish = Promise.withResolvers<void>();
    const led: number[] = [];
    const elector = new LeaderElector({
      client: server.client(fault),
      namespace: 'n',
      name: 'lease',
      identity,
      clock,
      log: silentLogger,
      metrics: new KubeMetrics(registry),
      random: () => 0,
      lead: async (signal) => {
        made.workSignal = signal;
        led.push(clock.now());
        await finish.promise;
      },
    });
    const shutdown = new AbortController();
    const made: Candidate = { elector, fault, shutdown, finish, led, workSignal: undefined, end: undefined };
    elector.run(shutdown.signal).then(
      (end) => {
        made.end = end;
      },
      (error: Error) => {
        made.end = error;
      },
    );
    candidates.push(made);
    return made;
  };

  beforeEach(() => {
    clock = new ManualClock();
    server = new LeaseServer();
    candidates = [];
  });

  afterEach(async () => {
    for (const { shutdown, finish, fault } of candidates) {
      fault.now = 'none';
      shutdown.abort(new Error('the test is over'));
      finish.resolve();
    }
    await clock.advance(60_000);
    expect(clock.pending, 'timers left behind').to.equal(0);
  });

  it('creates the lease and leads, renewing every retry period', async () => {
    const registry = new Registry();
    const a = candidate('a', registry);
    await clock.advance(20_500);

    expect(a.led).to.deep.equal([0]);
    expect(server.writes).to.equal(11);
    expect(server.lease?.spec).to.deep.equal({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:20.000000Z',
      leaseTransitions: 0,
    });
    expect(await registry.metrics()).to.contain('leader_election_master_status{name="lease"} 1');
  });

  it('has one leader among several, and the next one only after the lease has run out', async () => {
    const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')];
    await clock.advance(60_000);
    expect([a.led, b.led, c.led]).to.deep.equal([[0], [], []]);

    a.fault.now = 'down';
    await clock.advance(60_000);
    expect(a.end).to.equal('lost');
    expect(b.led.length + c.led.length).to.equal(1);
    const [taken = 0] = [...b.led, ...c.led];
    expect(taken).to.be.within(60_000 + 13_000, 60_000 + 15_000 + 2 * 2000);
    expect(server.lease?.spec?.leaseTransitions).to.equal(1);
  });

  it('closes the gate at the renew deadline, whatever its calls are doing', async () => {
    for (const fault of ['down', 'forbidden', 'hanging', 'answer lost'] as const) {
      const a = candidate(`a-${fault}`);
      await clock.advance(30_000);
      expect(a.elector.gate(), fault).to.equal(undefined);
      const renewedAt = clock.now();

      a.fault.now = fault === 'answer lost' ? 'down' : fault;
      await clock.advance(7900);
      expect(a.elector.gate(), fault).to.equal(undefined);
      await clock.advance(renewedAt + 10_000 - clock.now());
      expect(a.elector.gate(), fault).not.to.equal(undefined);
      expect(a.elector.isLeader, fault).to.equal(false);
      await clock.advance(2000);
      expect(a.end, fault).to.equal('lost');
      expect(a.workSignal?.aborted, fault).to.equal(true);
      a.finish.resolve();
      server.lease = undefined;
    }
  });

  it('keeps the lease through errors that end before the deadline', async () => {
    const a = candidate('a');
    await clock.advance(5000);
    for (const fault of ['down', 'forbidden', 'answer lost'] as const) {
      a.fault.now = fault;
      await clock.advance(5000);
      a.fault.now = 'none';
      await clock.advance(7000);
      expect(a.elector.gate(), fault).to.equal(undefined);
    }
    expect(a.led).to.have.length(1);
    expect(a.end).to.equal(undefined);
  });

  it('never lets two gates be open, whatever fails', async () => {
    const all = [candidate('a'), candidate('b'), candidate('c')];
    const faults: Fault[] = ['none', 'down', 'hanging', 'forbidden', 'answer lost'];
    let seed = 7;
    const pick = (count: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * count);
    };
    for (let step = 0; step < 600; step += 1) {
      const some = all[pick(all.length)];
      if (some) some.fault.now = faults[pick(faults.length)] ?? 'none';
      await clock.advance(500);
      const open = all.filter((one) => one.elector.gate() === undefined);
      expect(open.length).to.be.at.most(1);
      for (const [index, one] of all.entries()) {
        if (one.end === undefined) continue;
        one.finish.resolve();
        all[index] = candidate(`again-${step}`);
      }
    }
  });

  it('releases the lease once its work has ended, and the next one takes it within half a retry period', async () => {
    const a = candidate('a');
    await clock.advance(100);
    const b = candidate('b');
    await clock.advance(30_000);

    a.shutdown.abort(new Error('SIGTERM'));
    await clock.advance(2100);
    expect(a.workSignal?.aborted).to.equal(true);
    expect(a.elector.gate(), 'work that ends may still write').to.equal(undefined);
    expect(b.led).to.deep.equal([]);

    const releasedAt = clock.now();
    a.finish.resolve();
    await clock.advance(2100);
    expect(a.end).to.equal('stopped');
    expect(a.elector.gate()).not.to.equal(undefined);
    expect(b.led).to.have.length(1);
    expect((b.led[0] ?? 0) - releasedAt).to.be.at.most(1000);
  });

  for (const fault of ['answer lost', 'late'] as const) {
    it(`releases the lease also when its last renewal got no answer: ${fault}`, async () => {
      const a = candidate('a');
      await clock.advance(1900);
      a.fault.now = fault;
      await clock.advance(200);
      a.fault.now = 'none';

      a.shutdown.abort(new Error('SIGTERM'));
      a.finish.resolve();
      await clock.advance(10);
      expect(a.end).to.equal('stopped');
      expect(server.lease?.spec?.holderIdentity).to.equal('');
    });
  }

  it('leaves a lease alone that another has taken since its last renewal got no answer', async () => {
    const a = candidate('a');
    await clock.advance(1900);
    a.fault.now = 'answer lost';
    await clock.advance(200);
    a.fault.now = 'none';
    if (server.lease?.spec) server.lease = { ...server.lease, spec: { holderIdentity: 'b' } };

    a.finish.resolve();
    await clock.advance(10);
    expect(server.lease?.spec?.holderIdentity).to.equal('b');
  });

  it('gives up the lease when its work does not end after shutdown', async () => {
    const a = candidate('a');
    await clock.advance(5000);
    a.shutdown.abort(new Error('SIGTERM'));
    await clock.advance(13_000);
    expect(a.end).to.equal('lost');
    expect(a.elector.gate()).not.to.equal(undefined);
  });

  it('stops leading when its work ends or fails by itself', async () => {
    const a = candidate('a');
    await clock.advance(3000);
    a.finish.reject(new Error('broken'));
    await clock.advance(10);
    expect(a.end).to.be.instanceOf(Error).and.to.have.property('message', 'broken');
    expect(server.lease?.spec?.holderIdentity).to.equal('');
  });

  it('stops at once when another has taken the lease', async () => {
    const a = candidate('a');
    await clock.advance(3000);
    const metadata = { name: 'lease', namespace: 'n', resourceVersion: '999' };
    server.lease = {
      metadata,
      spec: { holderIdentity: 'usurper', leaseDurationSeconds: 15, leaseTransitions: 4 },
    };
    await clock.advance(4000);
    expect(a.end).to.equal('lost');
    expect(server.lease.spec?.holderIdentity).to.equal('usurper');
  });

  it('makes the lease again when somebody deletes it', async () => {
    const a = candidate('a');
    await clock.advance(3000);
    server.lease = undefined;
    await clock.advance(4000);
    expect(a.end).to.equal(undefined);
    expect(a.elector.isLeader).to.equal(true);
    expect(holder()).to.equal('a');
  });

  it('believes a lease of unknown age for its full duration, by its own clock', async () => {
    const spec = {
      holderIdentity: 'dead',
      leaseDurationSeconds: 40,
      renewTime: '1999-01-01T00:00:00.000000Z',
    };
    server.lease = { metadata: { name: 'lease', namespace: 'n', resourceVersion: '5' }, spec };
    const a = candidate('a');
    await clock.advance(39_900);
    expect(a.led).to.deep.equal([]);
    await clock.advance(2100);
    expect(a.led).to.have.length(1);
  });

  it('waits for the lease without writing, and stops waiting when told to', async () => {
    candidate('a');
    await clock.advance(10);
    const b = candidate('b');
    b.fault.now = 'none';
    const before = server.writes;
    await clock.advance(10_000);
    expect(server.writes - before).to.equal(5);
    b.shutdown.abort(new Error('SIGTERM'));
    await clock.advance(10);
    expect(b.end).to.equal('stopped');
    expect(b.led).to.deep.equal([]);
  });

  it('refuses times that cannot work', () => {
    const base = {
      client: server.client({ now: 'none' }),
      ...{ namespace: 'n', name: 'lease', identity: 'a', clock, log: silentLogger, lead: async () => {} },
    };
    const times = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 };
    for (const wrong of [
      { renewDeadlineMs: 15_000 },
      { retryPeriodMs: 10_000 },
      { leaseDurationMs: 15_500 },
    ]) {
      expect(() => new LeaderElector({ ...base, ...times, ...wrong })).to.throw(RangeError);
    }
  });

  const holder = () => server.lease?.spec?.holderIdentity;
});
