// The control bench: how the manager does with many tunnels, against the budgets of docs/benchmarks.md. Parts, for --only:
//
//   100, 500, 1000   so many tunnels at once; 500 runs the bare client beside it
//   writes           500 and 1,000 tunnels, another token for them, and the bare client, without Pods: what the writes alone take
//   changes          with 500 tunnels: a label on their Secret, another token in it, a hand edit, restarts, 60 idle seconds
//   unrelated        memory with 8,000 objects that are none of the manager's business, then with each of them changed

import type { Bench, BenchContext } from '../main.ts';
import { memoryMiB } from '../process-usage.ts';
import type { BenchRow } from '../report.ts';
import type { WriteCounts } from './audit.ts';
import { type BareResult, runBareClient } from './bare-client.ts';
import type { ManagerUnderTest } from './manager.ts';
import { counted, goOperator, ratio, row } from './rows.ts';
import {
  createTunnels,
  editByHand,
  idle,
  labelSecret,
  type RolloutResult,
  restart,
  restartAgents,
  restartWithWork,
  rotateSecret,
} from './scenarios.ts';
import { addUnrelated, churnUnrelated } from './unrelated.ts';
import { percentile, settledMemoryMiB } from './usage.ts';
import { inWorld, type World } from './world.ts';
import { writes } from './writes.ts';

type Part = (context: BenchContext) => Promise<readonly BenchRow[]>;

const parts: Readonly<Record<string, Part>> = {
  100: (context) => rollout(context, 100),
  500: withBareClient,
  1000: (context) => rollout(context, 1000),
  writes,
  changes,
  unrelated,
};

export const runControl: Bench = async (context) => {
  const unknown = context.only.filter((name) => !Object.hasOwn(parts, name));
  if (unknown.length > 0)
    throw new Error(`no part ${unknown.join(', ')}; there are: ${Object.keys(parts).join(', ')}`);
  const rows: BenchRow[] = [];
  for (const [name, part] of Object.entries(parts)) {
    if (context.only.length > 0 && !context.only.includes(name)) continue;
    context.say(`part ${name}`);
    rows.push(...(await part(context)));
  }
  return { bench: 'control', rows };
};

interface Rolled {
  readonly result: RolloutResult;
  readonly memory: ReturnType<typeof memoryMiB>;
}

async function roll(world: World, manager: ManagerUnderTest, count: number): Promise<Rolled> {
  const result = await createTunnels(world, manager, count);
  await result.rollout.stop();
  return { result, memory: memoryMiB(manager.daemon.pid) };
}

async function rollout({ say }: BenchContext, count: number): Promise<readonly BenchRow[]> {
  return await inWorld(async (world) => {
    const rolled = await roll(world, await world.startManager(), count);
    say(`${count} tunnels: ${JSON.stringify(rolled.result.manager)}`);
    return rolloutRows(count, rolled);
  });
}

const totals: Readonly<Record<number, { readonly budget?: number; readonly go?: string }>> = {
  500: { budget: 20, go: `${goOperator} 109–124 s` },
  1000: { budget: 45, go: `${goOperator} 227 s` },
};

function rolloutRows(count: number, { result, memory }: Rolled): readonly BenchRow[] {
  const { rollout: observed, manager, agents, cpu } = result;
  const each = (total: number) => total / count;
  const what = (text: string) => `N=${count}: ${text}`;
  const latencies = observed.latencies('deploymentAt');
  const { budget, go: theirs } = totals[count] ?? {};
  const is500 = count === 500;
  return [
    row(
      what('create to all conditions and five children each'),
      observed.total('doneAt'),
      's',
      budget,
      theirs,
    ),
    row(
      what('create → Deployment, p50'),
      percentile(latencies, 50),
      's',
      is500 ? 8 : undefined,
      is500 ? `${goOperator} 52–55 s` : undefined,
    ),
    row(
      what('create → Deployment, p99'),
      percentile(latencies, 99),
      's',
      is500 ? 16 : undefined,
      is500 ? `${goOperator} 101–114 s` : undefined,
    ),
    row(what('create → all conditions, p50'), percentile(observed.latencies('doneAt'), 50), 's'),
    row(what('create → all conditions, p99'), percentile(observed.latencies('doneAt'), 99), 's'),
    counted(what("manager's writes per new tunnel"), each(manager.writes), 8, `${goOperator} 11.7`),
    counted(what('of them changing nothing'), manager.idle, 0, `${goOperator} 3.0 per tunnel`),
    counted(what('Events per new tunnel'), each(manager.events), 3),
    counted(what("agent's writes per new tunnel"), each(agents.writes - refused(agents.byResource)), 2),
    row(
      what('CPU of the API server'),
      cpu.apiserver,
      's',
      undefined,
      is500 ? `${goOperator} 56 s` : undefined,
    ),
    row(what('CPU of the manager'), cpu.manager, 's'),
    row(
      what("manager's RSS"),
      memory.now,
      'MiB',
      count === 1000 ? 150 : undefined,
      count === 1000 ? `${goOperator} 98 MiB` : undefined,
    ),
    row(what("manager's RSS at its highest"), memory.peak, 'MiB'),
  ];
}

/** An agent's write that came too late (409) changed nothing and is sent anew. */
function refused(byResource: Readonly<Record<string, number>>): number {
  return Object.entries(byResource).reduce((sum, [key, count]) => sum + (/ \d{3}$/.test(key) ? count : 0), 0);
}

async function withBareClient(context: BenchContext): Promise<readonly BenchRow[]> {
  const count = 500;
  const bare = await inWorld(async (world) => {
    const result = await runBareClient(world, count, 'with Pods');
    await result.rollout.stop();
    return result;
  });
  context.say('the bare client is done');
  return await inWorld(async (world) => {
    const rolled = await roll(world, await world.startManager(), count);
    return [...rolloutRows(count, rolled), ...bareRows(bare, rolled.result)];
  });
}

function bareRows(bare: BareResult, ours: RolloutResult): readonly BenchRow[] {
  const latencies = (from: BareResult | RolloutResult) =>
    percentile(from.rollout.latencies('deploymentAt'), 50);
  return [
    row('N=500, bare client: its last request answered', bare.written, 's'),
    row('N=500, bare client: all Pods ready, agents online', bare.total, 's'),
    row('N=500, bare client: create → Deployment, p50', latencies(bare), 's'),
    row('N=500, bare client: CPU of the API server', bare.apiserverCpu, 's'),
    ratio('N=500: manager ÷ bare client, time to the same end', ours.rollout.total('doneAt') / bare.total),
    ratio('N=500: manager ÷ bare client, create → Deployment, p50', latencies(ours) / latencies(bare)),
    ratio('N=500: manager ÷ bare client, CPU of the API server', ours.cpu.apiserver / bare.apiserverCpu),
  ];
}

async function changes({ say }: BenchContext): Promise<readonly BenchRow[]> {
  const count = 500;
  return await inWorld(async (world) => {
    let manager = await world.startManager();
    const { rollout: observed } = await createTunnels(world, manager, count);
    say(`${count} tunnels are there`);
    const label = await labelSecret(world, manager);
    const rotation = await rotateSecret(world, manager, observed);
    say(`rotated: ${JSON.stringify(rotation.counts)}`);
    const floor = await restartAgents(world, manager, observed);
    say(`restarted agents: ${JSON.stringify(floor.counts)}`);
    const edit = await editByHand(world, manager, observed);
    await observed.stop();
    const restarted = await restart(world, manager, count);
    say(`restarted: ${JSON.stringify(restarted.counts)}`);
    ({ manager } = restarted);
    const quiet = await idle(world, 30);
    say(`idle: ${JSON.stringify(quiet)}`);
    const worked = await restartWithWork(world, manager);

    return [
      counted(
        'N=500: a label added to the Secret: writes',
        label.writes,
        0,
        `${goOperator} 500 agents restarted`,
      ),
      // A rollout that takes over a minute is shown in the status, so this one depends on the machine.
      {
        ...counted(
          'N=500: token rotated: writes',
          rotation.counts.writes,
          2 * count + 1,
          `${goOperator} 2001`,
        ),
        kind: 'measure',
      },
      counted('N=500: token rotated: writes of Deployments', deploymentsOf(rotation.counts), count),
      counted('N=500: token rotated: writes changing nothing', rotation.counts.idle, 0, `${goOperator} 1501`),
      counted('N=500: token rotated: times an agent was rolled, at most', rotation.rolled, 1),
      row(
        'N=500: token rotated: time until all run with it',
        rotation.seconds,
        's',
        20,
        `${goOperator} 31–50 s`,
      ),
      row('N=500: agents restarted by a bare client: time until all run anew', floor.seconds, 's'),
      ratio('N=500: token rotated ÷ restarted by a bare client, time', rotation.seconds / floor.seconds),
      counted('a Deployment edited by hand: writes to put it back', edit.writes, 1, `${goOperator} 4–16`),
      counted('N=500: restart: writes', restarted.counts.writes, 0, `${goOperator} 1020`),
      counted('N=500: restart: Events', restarted.counts.events, 0),
      row('N=500: restart: from its start to its first write', worked.seconds, 's', 3, `${goOperator} 16 s`),
      counted('N=500: 60 idle seconds: writes besides the Lease', quiet.writes + quiet.events, 0),
    ];
  });
}

async function unrelated({ say }: BenchContext): Promise<readonly BenchRow[]> {
  const each = 2000;
  return await inWorld(async (world) => {
    const manager = await world.startManager();
    await roll(world, manager, 100);
    const { pid } = manager.daemon;
    await world.cluster.server.kubectl(['create', 'namespace', 'unrelated']);
    const before = await settledMemoryMiB(pid);
    await addUnrelated(world.client, each);
    const added = await settledMemoryMiB(pid);
    say(`RSS ${before.toFixed(1)} MiB, then ${added.toFixed(1)} MiB`);
    const churned: number[] = [];
    for (const round of [1, 2, 3]) {
      await churnUnrelated(world.client, each, round);
      churned.push(await settledMemoryMiB(pid));
    }
    say(`churned: ${churned.map((value) => value.toFixed(1)).join(', ')} MiB`);
    const grown = (churned.at(-1) ?? Number.NaN) - (churned[0] ?? Number.NaN);
    return [
      row(
        `RSS growth with ${4 * each} unrelated objects`,
        added - before,
        'MiB',
        16,
        `${goOperator} +118 MiB`,
      ),
      row('RSS growth from the first to the third time each of them changed', grown, 'MiB', 2),
    ];
  });
}

function deploymentsOf({ byResource }: WriteCounts): number {
  return byResource['patch deployments'] ?? 0;
}
