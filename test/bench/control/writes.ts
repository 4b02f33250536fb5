// What the writes alone take, beside the bare client: many tunnels at once, then another token for all of them, where
// Deployments get no Pods. With Pods, two thirds of what the API server does is done for kubelets, controllers and agents,
// whoever the client is.

import { eventually } from '../../support/eventually.ts';
import type { TunnelLike } from '../../support/rstream-resources.ts';
import type { BenchContext } from '../main.ts';
import { cpuSeconds } from '../process-usage.ts';
import type { BenchRow } from '../report.ts';
import { runBareClient } from './bare-client.ts';
import { type ManagerUnderTest, managerAgent } from './manager.ts';
import { Rollout } from './rollout.ts';
import { counted, goOperator, ratio, row } from './rows.ts';
import { restartAll } from './scenarios.ts';
import { percentile } from './usage.ts';
import { inWorld, type World } from './world.ts';

interface Budget {
  readonly total: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly rotated?: number;
}

const budgets = new Map<number, Budget>([
  [500, { total: 20, p50: 8, p99: 16, rotated: 20 }],
  [1000, { total: 45 }],
]);

export async function writes({ say }: BenchContext): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [count, budget] of budgets) {
    const bare = await inWorld(async (world) => await bareClient(world, count), { pods: false });
    say(`bare client, ${count}: ${JSON.stringify(bare)}`);
    const ours = await inWorld(async (world) => await manager(world, count), { pods: false });
    say(`manager, ${count}: ${JSON.stringify(ours)}`);
    rows.push(...rowsOf(count, budget, ours, bare));
  }
  return rows;
}

interface Written {
  /** Seconds from the first tunnel until the last write for one. */
  readonly total: number;
  readonly p50: number;
  readonly p99: number;
  readonly apiserverCpu: number;
  /** Seconds until every Deployment has another Pod template. */
  readonly rotated: number;
}

async function bareClient(world: World, count: number): Promise<Written> {
  const { rollout, written, apiserverCpu } = await runBareClient(world, count, 'without Pods');
  const created = { total: written, apiserverCpu, ...percentiles(rollout) };
  const started = performance.now();
  await restartAll(world, rollout);
  await rollout.stop();
  return { ...created, rotated: (performance.now() - started) / 1000 };
}

async function manager(world: World, count: number): Promise<Written & { readonly rotationWrites: number }> {
  const running = await world.startManager();
  const rollout = new Rollout(world.client);
  await rollout.start();
  await running.quiet();
  const { pid } = world.cluster.server.component('kube-apiserver');
  const before = cpuSeconds(pid);
  const created = await secondsToLastWrite(world, running, async () => {
    await rollout.create(count);
    await untilWaiting(rollout, count);
  });
  const apiserverCpu = cpuSeconds(pid) - before;
  const rotated = await secondsToLastWrite(world, running, async () => await rotate(world, rollout));
  await rollout.stop();
  return {
    total: created.seconds,
    ...percentiles(rollout),
    apiserverCpu,
    rotated: rotated.seconds,
    rotationWrites: rotated.writes,
  };
}

async function secondsToLastWrite(
  world: World,
  running: ManagerUnderTest,
  work: () => Promise<void>,
): Promise<{ readonly seconds: number; readonly writes: number }> {
  world.audit.read();
  const startedAt = Date.now();
  await running.during(work());
  await running.quiet();
  const own = world.audit.read().filter(({ client, isWrite }) => client === managerAgent && isWrite);
  const last = Math.max(...own.map(({ receivedAt }) => receivedAt));
  return { seconds: (last - startedAt) / 1000, writes: own.length };
}

/** All that the manager can tell of a tunnel whose Deployment gets no Pods. */
async function untilWaiting(rollout: Rollout, count: number): Promise<void> {
  const isWaiting = ({ status }: TunnelLike) =>
    status?.conditions?.some(({ type, reason }) => type === 'Ready' && reason === 'WaitingForDeployment');
  await eventually(
    'every tunnel waits for its Deployment',
    () => rollout.tunnels.list().filter(isWaiting).length === count,
    { timeoutMs: 600_000, everyMs: 50 },
  );
}

async function rotate(world: World, rollout: Rollout): Promise<void> {
  const generations = new Map(
    rollout.deployments.list().map(({ metadata }) => [metadata.name, metadata.generation]),
  );
  await world.putSecret('another token');
  await eventually(
    'every Deployment has the new token',
    () =>
      rollout.deployments
        .list()
        .every(({ metadata }) => metadata.generation !== generations.get(metadata.name)),
    { timeoutMs: 600_000, everyMs: 50 },
  );
}

function percentiles(rollout: Rollout): Pick<Written, 'p50' | 'p99'> {
  const latencies = rollout.latencies('deploymentAt');
  return { p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
}

function rowsOf(
  count: number,
  budget: Budget,
  ours: Awaited<ReturnType<typeof manager>>,
  bare: Written,
): readonly BenchRow[] {
  const what = (text: string) => `N=${count} without Pods: ${text}`;
  return [
    row(what('create to five children and all that the manager can tell'), ours.total, 's', budget.total),
    row(what('create → Deployment, p50'), ours.p50, 's', budget.p50),
    row(what('create → Deployment, p99'), ours.p99, 's', budget.p99),
    row(what('CPU of the API server'), ours.apiserverCpu, 's'),
    row(what('another token: until the last write'), ours.rotated, 's', budget.rotated),
    counted(what('another token: writes'), ours.rotationWrites, 2 * count + 1, `${goOperator} 2001`),
    row(what('bare client'), bare.total, 's'),
    row(what('bare client, create → Deployment, p50'), bare.p50, 's'),
    row(what('bare client, CPU of the API server'), bare.apiserverCpu, 's'),
    row(what('bare client, another Pod template'), bare.rotated, 's'),
    ratio(what('manager ÷ bare client, time'), ours.total / bare.total),
    ratio(what('manager ÷ bare client, create → Deployment, p50'), ours.p50 / bare.p50),
    ratio(what('manager ÷ bare client, another token'), ours.rotated / bare.rotated),
  ];
}
