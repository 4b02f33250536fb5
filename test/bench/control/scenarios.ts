// What is done to a manager and counted: each scenario returns numbers and knows nothing of budgets.

import { randomUUID } from 'node:crypto';
import { deployments } from '../../../src/kube/well-known.ts';
import { eventually } from '../../support/eventually.ts';
import { type Loose, tunnelResource } from '../../support/rstream-resources.ts';
import { cpuSeconds } from '../process-usage.ts';
import { countRequests, type WriteCounts } from './audit.ts';
import { type ManagerUnderTest, managerAgent } from './manager.ts';
import { isDone, isRolledOut, Rollout } from './rollout.ts';
import { forEachAtOnce } from './usage.ts';
import { benchNamespace, type World } from './world.ts';

export interface RolloutResult {
  readonly rollout: Rollout;
  readonly manager: WriteCounts;
  readonly agents: WriteCounts;
  readonly cpu: { readonly apiserver: number; readonly manager: number };
}

/** Creates so many tunnels at once and waits until each has five children and every condition is True. */
export async function createTunnels(
  world: World,
  manager: ManagerUnderTest,
  count: number,
): Promise<RolloutResult> {
  const apiserver = world.cluster.server.component('kube-apiserver').pid;
  const rollout = new Rollout(world.client);
  await rollout.start();
  await manager.quiet();
  world.audit.read();
  const before = [cpuSeconds(apiserver), cpuSeconds(manager.daemon.pid)] as const;

  await rollout.create(count);
  await manager.during(rollout.done(1_800_000));
  await manager.quiet();

  const cpu = {
    apiserver: cpuSeconds(apiserver) - before[0],
    manager: cpuSeconds(manager.daemon.pid) - before[1],
  };
  const requests = world.audit.read();
  return {
    rollout,
    manager: countRequests(requests, managerAgent),
    agents: countRequests(requests, 'rstream-agent'),
    cpu,
  };
}

/** A label on the Secret that every agent uses; returns what the manager wrote because of it. */
export async function labelSecret(world: World, manager: ManagerUnderTest): Promise<WriteCounts> {
  return await whileLooking(world, manager, () => world.labelSecret(randomUUID()));
}

export interface RotationResult {
  /** What the manager wrote. */
  readonly counts: WriteCounts;
  /** Seconds until every tunnel is served by a new agent alone. */
  readonly seconds: number;
  /** How often an agent was rolled, at most. */
  readonly rolled: number;
}

/** Another token in the Secret that every agent uses: all of them roll, once. */
export async function rotateSecret(
  world: World,
  manager: ManagerUnderTest,
  rollout: Rollout,
): Promise<RotationResult> {
  return await rollAll(world, manager, rollout, () => world.putSecret(`token-${randomUUID()}`));
}

/** The floor of a rotation: the same rollouts, begun by somebody who knows which and only writes. */
export async function restartAgents(
  world: World,
  manager: ManagerUnderTest,
  rollout: Rollout,
): Promise<RotationResult> {
  return await rollAll(world, manager, rollout, async () => await restartAll(world, rollout));
}

/** As `kubectl rollout restart` does it, 24 at a time. */
export async function restartAll(world: World, rollout: Rollout): Promise<void> {
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  const patch = { spec: { template: { metadata: { annotations } } } };
  await forEachAtOnce(rollout.deployments.list(), 24, async ({ metadata: { name } }) => {
    const ref = { namespace: benchNamespace, name };
    await world.client.mergePatch(deployments, ref, patch, { fieldManager: 'kubectl-rollout' });
  });
}

async function rollAll(
  world: World,
  manager: ManagerUnderTest,
  rollout: Rollout,
  begin: () => Promise<void>,
): Promise<RotationResult> {
  const generations = new Map(
    rollout.deployments.list().map(({ metadata }) => [metadata.name, metadata.generation]),
  );
  const started = performance.now();
  world.audit.read();
  await begin();
  const rolledOut = eventually(
    'every tunnel is served by a new agent alone',
    () => {
      const all = rollout.deployments.list();
      const done = all.filter(
        (one) => one.metadata.generation !== generations.get(one.metadata.name) && isRolledOut(one),
      ).length;
      const tunnels = rollout.tunnels.list().filter(isDone).length;
      const agents = world.agents.size;
      if (done < all.length || tunnels < all.length || agents !== all.length)
        throw new Error(`${done} Deployments, ${tunnels} tunnels, ${agents} agents of ${all.length}`);
      return true;
    },
    { timeoutMs: 1_800_000, everyMs: 50 },
  );
  await manager.during(rolledOut);
  const seconds = (performance.now() - started) / 1000;
  await manager.quiet();
  const steps = rollout.deployments
    .list()
    .map(({ metadata }) => (metadata.generation ?? 0) - (generations.get(metadata.name) ?? 0));
  return { counts: countRequests(world.audit.read(), managerAgent), seconds, rolled: Math.max(...steps) };
}

/** Somebody changes a Deployment of ours; returns what the manager wrote until it was as before. */
export async function editByHand(
  world: World,
  manager: ManagerUnderTest,
  rollout: Rollout,
): Promise<WriteCounts> {
  const [target] = rollout.deployments.list();
  if (target === undefined) throw new Error('there is no Deployment to edit');
  const ref = { namespace: benchNamespace, name: target.metadata.name };
  world.audit.read();
  const replace = {
    op: 'replace',
    path: '/spec/template/spec/containers/0/image',
    value: 'other:1',
  } as const;
  const edited = await world.client.jsonPatch(deployments, ref, [replace], { fieldManager: 'kubectl-edit' });
  await eventually(
    'the Deployment is put back and has rolled out again',
    () => {
      const live = rollout.deployments.get(ref);
      const isNewer = (live?.metadata.generation ?? 0) > (edited.metadata.generation ?? 0);
      return isNewer && live !== undefined && isRolledOut(live);
    },
    { timeoutMs: 60_000 },
  );
  await manager.quiet();
  const counts = countRequests(world.audit.read(), managerAgent);
  // The rollout itself is reported in the status, as any other.
  return { ...counts, writes: counts.byResource['patch deployments'] ?? 0 };
}

/** Ends the manager as Kubernetes does, starts another, and lets it look at everything. */
export async function restart(
  world: World,
  manager: ManagerUnderTest,
  tunnels: number,
): Promise<{ readonly manager: ManagerUnderTest; readonly counts: WriteCounts }> {
  await manager.daemon.stop('SIGTERM');
  world.audit.read();
  const next = await world.startManager();
  await eventually(
    'the new manager has looked at every tunnel',
    async () => (await next.reconciles('rstreamtunnel')) >= tunnels,
    { timeoutMs: 120_000, everyMs: 50 },
  );
  await next.quiet();
  return { manager: next, counts: countRequests(world.audit.read(), managerAgent) };
}

/** How long after its start a manager answers to a change that was made while none ran. */
export async function restartWithWork(
  world: World,
  manager: ManagerUnderTest,
): Promise<{ readonly manager: ManagerUnderTest; readonly seconds: number }> {
  await manager.daemon.stop('SIGTERM');
  const change: Loose = {
    metadata: { namespace: benchNamespace, name: 't0' },
    spec: { labels: { changed: randomUUID() } },
  };
  const { spec } = change;
  await world.client.mergePatch(
    tunnelResource,
    { namespace: benchNamespace, name: 't0' },
    { spec },
    { fieldManager: 'bench' },
  );
  world.audit.read();
  const next = await world.startManager();
  const first = await eventually(
    'the new manager writes',
    () =>
      world.audit
        .read()
        .find(
          (request) =>
            request.client === managerAgent && request.resource === 'configmaps' && request.verb === 'patch',
        ),
    { timeoutMs: 60_000, everyMs: 20 },
  );
  return { manager: next, seconds: (first.receivedAt - next.startedAt) / 1000 };
}

/** Nothing happens until the manager has renewed its Lease so often: one renewal takes two seconds. */
export async function idle(world: World, renewals: number): Promise<WriteCounts> {
  world.audit.read();
  const seen: ReturnType<typeof world.audit.read>[number][] = [];
  await eventually(
    `the Lease was renewed ${renewals} times`,
    () => {
      seen.push(...world.audit.read());
      return countRequests(seen, managerAgent).leases >= renewals;
    },
    { timeoutMs: renewals * 10_000, everyMs: 200 },
  );
  return countRequests(seen, managerAgent);
}

/** Does something that must make the manager look at its connection, and counts until it has looked and is done. */
async function whileLooking(
  world: World,
  manager: ManagerUnderTest,
  change: () => Promise<void>,
): Promise<WriteCounts> {
  world.audit.read();
  const before = await manager.reconciles('rstreamconnection');
  await change();
  await eventually(
    'the manager has looked at the connection',
    async () => (await manager.reconciles('rstreamconnection')) > before,
    { timeoutMs: 60_000 },
  );
  await manager.quiet();
  return countRequests(world.audit.read(), managerAgent);
}
