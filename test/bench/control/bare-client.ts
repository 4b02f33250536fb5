// The floor: a client that knows everything beforehand and only writes. It applies what the manager would apply for each
// tunnel, in the same order and with the same rights, 24 requests under way, without reading, watching or deciding.

import type { KubeManifest } from '../../../charts-ts/agent-props.ts';
import { FIELD_MANAGER } from '../../../src/api/group.ts';
import type { RstreamTunnel } from '../../../src/api/resources.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { withAppliedHash } from '../../../src/manager/child-judgement.ts';
import { tunnelPlan } from '../../../src/manager/tunnel-plan.ts';
import { childResources } from '../../../src/manager/watched-resources.ts';
import { eventually } from '../../support/eventually.ts';
import { type TunnelLike, tunnelResource } from '../../support/rstream-resources.ts';
import { cpuSeconds } from '../process-usage.ts';
import { isRolledOut, Rollout } from './rollout.ts';
import { forEachAtOnce } from './usage.ts';
import type { World } from './world.ts';

const requestsAtOnce = 24;

export interface BareResult {
  readonly rollout: Rollout;
  /** Seconds until its last request was answered. */
  readonly written: number;
  /** Seconds until the cluster was where the manager's rollout ends: Pods Ready, agents online. */
  readonly total: number;
  readonly apiserverCpu: number;
}

/** `pods` as the world has them: without, it is over with the last answer. */
export async function runBareClient(
  world: World,
  count: number,
  pods: 'with Pods' | 'without Pods',
): Promise<BareResult> {
  const client = world.likeManager('bare-client');
  const apiserver = world.cluster.server.component('kube-apiserver').pid;
  const before = cpuSeconds(apiserver);
  const rollout = new Rollout(world.client);
  await rollout.start();
  try {
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    await writeAll(client, rollout, count);
    const written = seconds();
    if (pods === 'with Pods') await untilOver(rollout, count);
    return { rollout, written, total: seconds(), apiserverCpu: cpuSeconds(apiserver) - before };
  } finally {
    client.close();
  }
}

async function writeAll(client: KubeClient, rollout: Rollout, count: number): Promise<void> {
  const created: TunnelLike[] = [];
  await rollout.create(count, (tunnel) => created.push(tunnel));
  const limited = new LimitedClient(client, requestsAtOnce);
  await forEachAtOnce(created, requestsAtOnce, async (tunnel) => await write(limited, tunnel));
}

async function untilOver(rollout: Rollout, count: number): Promise<void> {
  const patience = { timeoutMs: 300_000, everyMs: 50 };
  await eventually('every agent is online', () => isOver(rollout, count), patience);
}

function isOver(rollout: Rollout, count: number): boolean {
  const online = rollout.tunnels
    .list()
    .filter(({ status }) =>
      status?.conditions?.some((one) => one.type === 'TunnelReady' && one.status === 'True'),
    );
  return online.length === count && rollout.deployments.list().filter(isRolledOut).length === count;
}

/** Never more than so many requests under way. */
class LimitedClient {
  readonly #client: KubeClient;
  readonly #waiting: Array<() => void> = [];
  #free: number;

  constructor(client: KubeClient, atOnce: number) {
    this.#client = client;
    this.#free = atOnce;
  }

  async send(request: (client: KubeClient) => Promise<unknown>): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      await request(this.#client);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

async function write(client: LimitedClient, tunnel: TunnelLike): Promise<void> {
  const manifests = render(tunnel);
  const apply = async (...kinds: readonly string[]) => {
    const chosen = manifests.filter(({ kind }) => kinds.includes(kind));
    await Promise.all(chosen.map(async (manifest) => await applyOne(client, manifest)));
  };
  await Promise.all([
    apply('ConfigMap', 'ServiceAccount').then(() => apply('Deployment')),
    apply('Role').then(() => apply('RoleBinding')),
  ]);
  await applyStatus(client, tunnel, 'False');
  await applyStatus(client, tunnel, 'True');
}

async function applyOne(client: LimitedClient, manifest: KubeManifest): Promise<void> {
  const kind = childResources.get(manifest.kind);
  if (kind === undefined) throw new Error(`no tunnel becomes a ${manifest.kind}`);
  const wanted = withAppliedHash(manifest);
  await client.send((api) => api.apply(kind, wanted, { fieldManager: FIELD_MANAGER.manager }));
}

async function applyStatus(
  client: LimitedClient,
  tunnel: TunnelLike,
  ready: 'True' | 'False',
): Promise<void> {
  const { namespace, name, generation } = tunnel.metadata;
  const condition = (type: string, status: string) => ({
    type,
    status,
    reason: type,
    message: `${type} is ${status}, as the bare client says`,
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: generation,
  });
  const conditions = [
    condition('Accepted', 'True'),
    condition('Resolved', 'True'),
    condition('AgentReady', ready),
    condition('Ready', ready),
  ];
  const status = {
    observedGeneration: generation,
    target: 'app.bench.svc:80',
    rstreamName: name,
    conditions,
  };
  const object = { metadata: { namespace, name }, status };
  await client.send((api) =>
    api.applyStatus(tunnelResource, object, { fieldManager: FIELD_MANAGER.manager }),
  );
}

function render({ metadata, spec }: TunnelLike): readonly KubeManifest[] {
  const { name, namespace = '', uid = '' } = metadata;
  const tunnel = { metadata: { name, namespace, uid }, spec } as unknown as RstreamTunnel;
  const connection = {
    spec: { engine: 'p1.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'token' } },
    engine: 'p1.edge.example.com:443',
    secretsDigest: 'digest',
  };
  const target = { host: 'app.bench.svc', port: 80, protocol: 'TCP' } as const;
  const plan = tunnelPlan({
    tunnel,
    resolution: { resolved: { connection, target } },
    specProblem: undefined,
    agentImage: 'agent:bench',
    clusterId: 'bench',
    previousHostname: undefined,
  });
  if (plan.action !== 'apply') throw new Error(`the bare client cannot render a tunnel: ${plan.action}`);
  return plan.manifests;
}
