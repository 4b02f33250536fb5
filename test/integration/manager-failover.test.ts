// Two managers, and leaders that end by SIGTERM, SIGKILL or SIGSTOP while there is always something to write. The API
// server's audit log is the witness: nobody ever writes after another has taken the lease.

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { resource } from '../../src/kube/resource.ts';
import { leases, serviceAccounts } from '../../src/kube/well-known.ts';
import { AUDIT_POLICY, type AuditEvent, auditEvents } from '../support/audit-log.ts';
import { eventually } from '../support/eventually.ts';
import { writeKubeconfig } from '../support/kubeconfig-file.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { type Loose, tunnelResource } from '../support/rstream-resources.ts';

const isFull = process.env.RSTREAM_TEST_FULL === '1';
const failovers = isFull ? 50 : 5;
const leaseMs = 9000;
const times = ['--lease-duration', `${leaseMs}ms`, '--renew-deadline', '8s', '--retry-period', '1s'];
/** Slower than the changes come, so that writes wait for their turn whenever a leader is stopped. */
const pace = ['--kube-api-qps', '10', '--kube-api-burst', '10'];
const tunnels = Array.from({ length: 6 }, (_, index) => `t${index}`);
const patience = { timeoutMs: 90_000, everyMs: 50 };
const clusterRoleBindings = resource<Loose>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural: 'clusterrolebindings',
  kind: 'ClusterRoleBinding',
  namespaced: false,
});

describe('leadership among managers', function () {
  this.timeout(isFull ? 1_800_000 : 480_000);
  let harness: ManagerHarness;
  let namespace: string;
  const busy = new AbortController();
  let working: Promise<void> = Promise.resolve();

  before(async () => {
    const auditPolicy = join(tmpdir(), `audit-policy-${process.pid}.json`);
    writeFileSync(auditPolicy, AUDIT_POLICY);
    harness = await ManagerHarness.start({ auditPolicy });
    namespace = await harness.namespace();
    await harness.world(namespace, {}, 't0');
    for (const name of tunnels) await harness.tunnelOf(namespace, {}, name);
  });
  after(async () => {
    busy.abort();
    await working;
    await harness?.stop();
  });

  const userOf = (index: number) => `system:serviceaccount:${namespace}:manager-${index}`;

  /** A manager with a user of its own, so that the audit log tells the managers apart. */
  async function candidate(index: number): Promise<ManagerProcess> {
    const { server } = harness;
    const name = `manager-${index}`;
    await harness.put(serviceAccounts, { metadata: { namespace, name } });
    const binding: Loose = {
      metadata: { name: `${namespace}-${name}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    };
    await harness.put(clusterRoleBindings, binding);
    const token = (await server.kubectl(['create', 'token', name, '-n', namespace])).trim();
    const file = join(server.directory, `${name}.kubeconfig`);
    writeKubeconfig(file, { server: server.url, caFile: server.caFile, token });
    const election = ['--leader-elect', '--leader-election-namespace', namespace, ...times, ...pace];
    return await harness.standby(['--kubeconfig', file, ...election]);
  }

  /** Changes one tunnel after the other, so that a leader always has something to write. */
  async function keepBusy(): Promise<void> {
    for (let count = 0; !busy.signal.aborted; count += 1) {
      const ref = { namespace, name: tunnels[count % tunnels.length] ?? '' };
      const spec = { labels: { count: `${count}` } };
      const us = { fieldManager: 'busy' };
      await harness.client.mergePatch(tunnelResource, ref, { spec }, us).catch(() => {});
      // Ten changes in a second are plenty for the leader and leave the machine to the others.
      await sleep(systemClock, 100, busy.signal).catch(() => {});
    }
  }

  async function end(leader: ManagerProcess, how: NodeJS.Signals): Promise<void> {
    if (how === 'SIGSTOP') leader.daemon.signal('SIGSTOP');
    else await leader.stop(how);
  }

  const isWrite = ({ verb, objectRef }: AuditEvent) =>
    objectRef?.resource !== 'leases' && ['create', 'update', 'patch', 'delete'].includes(verb);
  const isRenewal = ({ verb, objectRef, responseStatus }: AuditEvent) =>
    objectRef?.resource === 'leases' && verb !== 'get' && (responseStatus?.code ?? 500) < 300;
  /** More than enough of them to judge by. */
  const hasWritten = async (index: number) =>
    await eventually(
      `manager ${index} writes`,
      () => auditEvents(harness.server.auditLog, userOf(index)).filter(isWrite).length > 20,
      { ...patience, everyMs: 300 },
    );
  const timeOf = ({ requestReceivedTimestamp }: AuditEvent) => Date.parse(requestReceivedTimestamp);

  it(`changes hands ${failovers} times, and nobody writes under another's lease`, async () => {
    const signals = ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const;
    let leader = await candidate(0);
    await leader.working();
    working = keepBusy();
    await hasWritten(0);

    for (let count = 0; count < failovers; count += 1) {
      const next = await candidate(count + 1);
      await eventually('the standby has filled its caches', async () => await next.isReady(), patience);
      expect(next.log()).to.not.include('starting workers');
      const how = signals[count % 3] ?? 'SIGTERM';
      await end(leader, how);
      await next.working();
      await hasWritten(count + 1);
      if (how === 'SIGTERM') expect(leader.log()).to.include('released the lease');
      if (how === 'SIGSTOP') {
        leader.daemon.signal('SIGCONT');
        await leader.daemon.exited;
        expect(leader.log()).to.match(/"the lease (could not be renewed in time|was taken by)/);
      }
      leader = next;
    }
    busy.abort();
    await working;
    await leader.stop();

    const logs = Array.from({ length: failovers + 1 }, (_, index) =>
      auditEvents(harness.server.auditLog, userOf(index)),
    );
    const gaps: number[] = [];
    for (const [index, log] of logs.entries()) {
      const writes = log.filter(isWrite).map(timeOf);
      const renewals = log.filter(isRenewal).map(timeOf);
      expect(writes.length, `writes of manager ${index}`).to.be.greaterThan(10);
      expect(Math.min(...writes), 'the first write follows the lease').to.be.at.least(Math.min(...renewals));
      for (const time of writes) {
        const renewed = Math.max(...renewals.filter((renewal) => renewal <= time));
        expect(time - renewed, `manager ${index} wrote so long after its last renewal`).to.be.below(leaseMs);
      }

      const next = logs[index + 1];
      if (next === undefined) continue;
      const taken = Math.min(...next.filter(isRenewal).map(timeOf));
      expect(Math.max(...writes), `manager ${index} wrote after manager ${index + 1} led`).to.be.below(taken);
      if (index % 3 === 0) gaps.push(Math.min(...next.filter(isWrite).map(timeOf)) - Math.max(...writes));
    }
    // A busy machine may slow some of them down; none waits for the lease to run out.
    const told = `graceful gaps: ${gaps.join(', ')} ms`;
    expect(gaps.toSorted((a, b) => a - b)[(gaps.length - 1) >> 1], told).to.be.below(3000);
    expect(Math.max(...gaps), told).to.be.below(leaseMs);
    const lease = await harness.client.get(leases, {
      namespace,
      name: 'rstream-operator.tunnels.rstream.io',
    });
    expect(lease?.spec?.leaseTransitions).to.equal(failovers);
  });
});
