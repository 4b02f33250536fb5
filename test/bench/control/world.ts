// Where the control benches run: a control plane with a fake node, the operator installed with the rights of
// dist/operator.yaml, the manager as the image runs it, simulated agents, and an audit log that counts.

import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { bundles, writeBundle } from '../../../scripts/bundle.ts';
import { systemClock } from '../../../src/common/clock.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { kubeconfigCredentials } from '../../../src/kube/kubeconfig.ts';
import { secrets, services } from '../../../src/kube/well-known.ts';
import { installCrds } from '../../support/crds.ts';
import { writeKubeconfig } from '../../support/kubeconfig-file.ts';
import { KwokCluster } from '../../support/kwok-cluster.ts';
import { connectionResource, type Loose } from '../../support/rstream-resources.ts';
import { SimulatedAgents } from './agents.ts';
import { AuditLog, auditArgs, writeAuditPolicy } from './audit.ts';
import { ManagerUnderTest } from './manager.ts';

const systemNamespace = 'rstream-system';
/** Where the tunnels of a bench live. */
export const benchNamespace = 'bench';
const credentials = { namespace: benchNamespace, name: 'credentials' };

export class World {
  readonly cluster: KwokCluster;
  /** With the rights of system:masters; its requests are nobody's. */
  readonly client: KubeClient;
  readonly agents: SimulatedAgents;
  readonly audit: AuditLog;
  readonly #managerFile: string;
  readonly #managers: ManagerUnderTest[] = [];

  private constructor(cluster: KwokCluster, managerFile: string) {
    this.cluster = cluster;
    this.client = adminClient(cluster, 'bench');
    this.agents = new SimulatedAgents({
      client: adminClient(cluster, 'rstream-agent'),
      kubelet: adminClient(cluster, 'bench-kubelet'),
    });
    this.audit = new AuditLog(cluster.server.auditLog);
    this.#managerFile = managerFile;
  }

  /** `pods: false`: Deployments stay without Pods, so that the API server does nothing but what its clients ask of it. */
  static async start({ pods = true }: { readonly pods?: boolean } = {}): Promise<World> {
    const auditPolicy = join(tmpdir(), `rstream-bench-audit-${process.pid}.json`);
    writeAuditPolicy(auditPolicy);
    const manager = bundles.find(({ name }) => name === 'rstream-manager');
    if (manager === undefined) throw new Error('there is no bundle of the manager');
    const { file } = await writeBundle(manager);
    const cluster = await KwokCluster.start({ auditPolicy, extraArgs: auditArgs, podsBecomeReady: false });
    const world = new World(cluster, file);
    try {
      await world.#install();
      await world.agents.start();
      if (!pods) await cluster.server.component('kube-controller-manager').stop();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** Starts a manager and waits until it leads and reconciles. */
  async startManager(extraArgs: readonly string[] = []): Promise<ManagerUnderTest> {
    const kubeconfig = join(this.cluster.server.directory, 'manager.kubeconfig');
    const manager = await ManagerUnderTest.start({
      file: this.#managerFile,
      kubeconfig,
      namespace: systemNamespace,
      logFolder: this.cluster.server.directory,
      extraArgs,
    });
    this.#managers.push(manager);
    return manager;
  }

  /** A client that may do what the manager may, and is counted under a name of its own. */
  likeManager(userAgent: string): KubeClient {
    return clientOf(join(this.cluster.server.directory, 'manager.kubeconfig'), userAgent);
  }

  /** The Secret that every tunnel's connection refers to. */
  async putSecret(token: string): Promise<void> {
    const secret: Loose = { metadata: credentials, stringData: { token } };
    await this.client.apply(secrets, secret, { fieldManager: 'bench' });
  }

  /** A change of that Secret which is none of the agents' business. */
  async labelSecret(value: string): Promise<void> {
    const patch = { metadata: { labels: { touched: value } } };
    await this.client.mergePatch(secrets, credentials, patch, { fieldManager: 'bench' });
  }

  async stop(): Promise<void> {
    await this.agents.stop();
    await Promise.all(this.#managers.map((manager) => manager.daemon.stop('SIGTERM')));
    this.client.close();
    await this.cluster.stop();
  }

  async #install(): Promise<void> {
    const { server } = this.cluster;
    // The manager runs beside the cluster, so its Deployment stays out.
    const operator = parseAllDocuments(readFileSync('dist/operator.yaml', 'utf8'))
      .map((document): { kind: string } => document.toJS())
      .filter(({ kind }) => kind !== 'Deployment');
    await installCrds(server);
    const list = { apiVersion: 'v1', kind: 'List', items: operator };
    await server.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(list));

    const account = ['rstream-operator', '-n', systemNamespace, '--duration=4h'];
    const token = (await server.kubectl(['create', 'token', ...account])).trim();
    writeKubeconfig(join(server.directory, 'manager.kubeconfig'), {
      server: server.url,
      caFile: server.caFile,
      token,
    });
    await server.kubectl(['create', 'namespace', benchNamespace]);
    await this.#references();
  }

  async #references(): Promise<void> {
    const metadata = (name: string) => ({ namespace: benchNamespace, name });
    await this.putSecret('token-0');
    const service: Loose = { metadata: metadata('app'), spec: { ports: [{ name: 'http', port: 80 }] } };
    await this.client.apply(services, service, { fieldManager: 'bench' });
    await this.putConnection();
  }

  /** The one connection of all tunnels; the same each time. */
  async putConnection(): Promise<void> {
    const connection: Loose = {
      metadata: { namespace: benchNamespace, name: 'default' },
      spec: { engine: 'p1.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'token' } },
    };
    await this.client.apply(connectionResource, connection, { fieldManager: 'bench' });
  }
}

/** Starts a world, hands it to `work` and stops it, whatever comes of it. */
export async function inWorld<T>(
  work: (world: World) => Promise<T>,
  options?: Parameters<typeof World.start>[0],
): Promise<T> {
  const world = await World.start(options);
  try {
    return await work(world);
  } finally {
    await world.stop();
  }
}

function adminClient(cluster: KwokCluster, userAgent: string): KubeClient {
  return clientOf(cluster.server.kubeconfig, userAgent);
}

function clientOf(kubeconfig: string, userAgent: string): KubeClient {
  const credentials = kubeconfigCredentials({ file: kubeconfig, clock: systemClock });
  return new KubeClient({ credentials, clock: systemClock, userAgent });
}
