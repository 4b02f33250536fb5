import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { LeaderElector } from '../../src/kube/leader-election.ts';
import { configMaps, leases } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient } from '../support/kube-client.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

describe('LeaderElector on a real API server', () => {
  let server: KubeApiserver;
  let client: KubeClient;
  let namespace: string;
  const shutdowns: AbortController[] = [];
  const runs: Promise<unknown>[] = [];

  const elect = (identity: string) => {
    const shutdown = new AbortController();
    const state = { leading: 0 };
    const elector = new LeaderElector({
      client,
      ...{ namespace, name: 'lease', identity, clock: systemClock, log: silentLogger },
      ...{ leaseDurationMs: 9000, renewDeadlineMs: 8000, retryPeriodMs: 300 },
      lead: async (signal) => {
        state.leading += 1;
        if (!signal.aborted) {
          await new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          );
        }
      },
    });
    const run = elector.run(shutdown.signal);
    shutdowns.push(shutdown);
    runs.push(run);
    return { elector, state, shutdown, run };
  };

  before(async function () {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    client = adminClient(server);
  });

  beforeEach(async () => {
    namespace = await server.createNamespace();
  });

  afterEach(async () => {
    for (const shutdown of shutdowns.splice(0)) shutdown.abort(new Error('the test is over'));
    await Promise.allSettled(runs.splice(0));
  });

  after(() => client?.close());

  it('elects one of several, and another when that one is done', async () => {
    const candidates = ['a', 'b', 'c'].map(elect);
    const first = await eventually('there is a leader', () => candidates.find((one) => one.elector.isLeader));
    const others = candidates.filter((one) => one !== first);
    expect(others.filter((one) => one.elector.isLeader)).to.deep.equal([]);

    first.shutdown.abort(new Error('SIGTERM'));
    expect(await first.run).to.equal('stopped');
    await eventually('another leads', () => others.find((one) => one.elector.isLeader));
    const lease = await client.get(leases, { namespace, name: 'lease' });
    expect(lease?.spec?.leaseTransitions).to.equal(1);
    expect(lease?.spec?.renewTime).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('ends, and no write passes the gate, when another takes the lease away', async () => {
    const one = elect('a');
    await eventually('it leads', () => one.elector.isLeader);
    const gated = client.gated(one.elector.gate);
    await gated.create(configMaps, { metadata: { name: 'before', namespace } }, { fieldManager: 'us' });

    const spec = { holderIdentity: 'usurper', leaseDurationSeconds: 60 };
    await client.mergePatch(leases, { namespace, name: 'lease' }, { spec }, { fieldManager: 'usurper' });
    expect(await one.run).to.equal('lost');
    const late = await gated
      .create(configMaps, { metadata: { name: 'after', namespace } }, { fieldManager: 'us' })
      .catch((error: unknown) => error);
    expect(late).to.be.instanceOf(KubeError).and.to.include({ code: 'ERR_KUBE_GATED' });
    expect(await client.get(configMaps, { namespace, name: 'after' })).to.equal(undefined);
  });

  it('stands down when the API server stalls beyond the deadline', async () => {
    const one = elect('a');
    await eventually('it leads', () => one.elector.isLeader);
    server.component('kube-apiserver').signal('SIGSTOP');
    try {
      expect(await one.run).to.equal('lost');
      expect(one.elector.gate()).not.to.equal(undefined);
    } finally {
      server.component('kube-apiserver').signal('SIGCONT');
    }
  });
});
