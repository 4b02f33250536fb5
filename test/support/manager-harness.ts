// A real control plane with the CRDs installed, managers as real processes against it, and short ways to write and read
// objects. There are no Pods: tests play the agent by writing its part of the status under its field manager.

import { randomUUID } from 'node:crypto';
import { type Condition, findCondition } from '../../src/api/conditions.ts';
import { FIELD_MANAGER } from '../../src/api/group.ts';
import { CONFIG_HASH_ANNOTATION, childLabels } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import type { KubeObject, ObjectRef } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { deployments, namespaces, pods, secrets, services } from '../../src/kube/well-known.ts';
import { installCrds } from './crds.ts';
import { eventually } from './eventually.ts';
import { KubeApiserver, type KubeApiserverOptions } from './kube-apiserver.ts';
import { ManagerProcess } from './manager-process.ts';
import { connectionResource, type Loose, type TunnelLike, tunnelResource } from './rstream-resources.ts';

const online = { status: 'True', reason: 'TunnelOnline', message: 'the tunnel is online' };

export class ManagerHarness {
  readonly server: KubeApiserver;
  readonly client: KubeClient;
  readonly #managers = new Set<ManagerProcess>();

  private constructor(server: KubeApiserver) {
    this.server = server;
    const credentials = kubeconfigCredentials({ file: server.kubeconfig, clock: systemClock });
    this.client = new KubeClient({ credentials, clock: systemClock });
  }

  static async start(options: KubeApiserverOptions = {}) {
    const { controllerManager = false, ...serverOptions } = options;
    const server = await KubeApiserver.start(serverOptions);
    const harness = new ManagerHarness(server);
    await installCrds(server);
    if (controllerManager) await server.startControllerManager();
    return harness;
  }

  /** Starts a manager and waits until it reconciles. */
  async manager(args: readonly string[] = []): Promise<ManagerProcess> {
    const manager = await ManagerProcess.start(this.server, args);
    this.#managers.add(manager);
    await manager.working();
    return manager;
  }

  /** Starts a manager that may have to wait for its turn. */
  async standby(args: readonly string[]): Promise<ManagerProcess> {
    const manager = await ManagerProcess.start(this.server, args);
    this.#managers.add(manager);
    return manager;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#managers].map((manager) => manager.stop('SIGKILL')));
    this.client.close();
    await this.server.stop();
  }

  async namespace(): Promise<string> {
    const name = `manager-${randomUUID().slice(0, 8)}`;
    await this.client.create(namespaces, { metadata: { name } }, { fieldManager: 'test' });
    return name;
  }

  /** Server-side apply under a name of the tests' own. */
  async put<T extends KubeObject>(
    kind: Resource<T>,
    object: object & KubeObject,
    fieldManager = 'test',
  ): Promise<T> {
    return await this.client.apply(kind, object, { fieldManager });
  }

  async tunnel(namespace: string, name = 'web'): Promise<TunnelLike> {
    const found = await this.client.get(tunnelResource, { namespace, name });
    if (found === undefined) throw new Error(`there is no tunnel ${namespace}/${name}`);
    return found;
  }

  /** Waits for a condition's reason, and returns the tunnel. */
  async reason(namespace: string, type: string, reason: string, name = 'web'): Promise<TunnelLike> {
    return (await this.#withReason(tunnelResource, { namespace, name }, type, reason)).object;
  }

  /** Waits for a reason of Ready, and returns the condition. */
  async connectionReason(namespace: string, reason: string, name = 'default'): Promise<Condition> {
    return (await this.#withReason(connectionResource, { namespace, name }, 'Ready', reason)).condition;
  }

  async #withReason(kind: Resource<TunnelLike>, ref: ObjectRef, type: string, reason: string) {
    return await eventually(
      `${type} of ${kind.kind} ${ref.name} is ${reason}`,
      async () => {
        const object = await this.client.get(kind, ref);
        const condition = findCondition(object?.status?.conditions, type);
        if (condition?.reason !== reason)
          throw new Error(`${type} is ${condition?.reason}: ${condition?.message}`);
        return object && { object, condition };
      },
      { timeoutMs: 90_000, everyMs: 50 },
    );
  }

  /** A Secret, a connection to a named engine, a Service and the tunnel; what is missing is what `without` names. */
  async world(namespace: string, spec: object = {}, name = 'web'): Promise<TunnelLike> {
    await Promise.all([this.secret(namespace), this.service(namespace), this.connection(namespace)]);
    return await this.tunnelOf(namespace, spec, name);
  }

  async secret(namespace: string, data: Record<string, string> = { token: 'token-canary-1' }): Promise<void> {
    const object: Loose = { metadata: { namespace, name: 'credentials' }, stringData: data };
    await this.put(secrets, object);
  }

  async connection(namespace: string, spec: object = {}): Promise<void> {
    const token = { tokenSecretRef: { name: 'credentials', key: 'token' } };
    const object: Loose = {
      metadata: { namespace, name: 'default' },
      spec: { ...('projectEndpoint' in spec ? {} : { engine: 'p1.edge.example.com' }), ...token, ...spec },
    };
    await this.put(connectionResource, object);
  }

  async service(
    namespace: string,
    port: object = { name: 'http', port: 80, targetPort: 8080 },
  ): Promise<void> {
    const object: Loose = { metadata: { namespace, name: 'app' }, spec: { ports: [port] } };
    await this.put(services, object);
  }

  async tunnelOf(namespace: string, spec: object = {}, name = 'web'): Promise<TunnelLike> {
    const target = { service: { name: 'app', port: 'http' } };
    const object: Loose = { metadata: { namespace, name }, spec: { target, ...spec } };
    return await this.put(tunnelResource, object);
  }

  /** The hash that the tunnel's Deployment wants its Pods to carry. */
  async configHash(namespace: string, name: string): Promise<string> {
    const live = await this.client.get(deployments, { namespace, name });
    return /"rstream.io\/config-hash":"(\w+)"/.exec(JSON.stringify(live))?.[1] ?? '';
  }

  /** Plays Deployment controller and kubelet: an agent's Pod as they make it. Needs an API server without ServiceAccount admission. */
  async agentPod(
    tunnel: TunnelLike,
    name: string,
    state: { readonly ready: boolean; readonly hash: string },
  ) {
    const { namespace = '', uid = '', name: tunnelName } = tunnel.metadata;
    const labels = childLabels({ name: tunnelName, namespace, uid }, 'agent');
    const metadata = { namespace, name, labels, annotations: { [CONFIG_HASH_ANNOTATION]: state.hash } };
    const spec = { containers: [{ name: 'agent', image: 'agent:test' }], nodeName: 'nowhere' };
    const object: Loose = { metadata, spec };
    await this.put(pods, object);
    const status = {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: state.ready ? 'True' : 'False' }],
    };
    const options = { fieldManager: 'kubelet', subresource: 'status' };
    await this.client.mergePatch(pods, { namespace, name }, { status }, options);
  }

  /** Plays the Deployment controller: the Deployment of this name becomes available. */
  async available(namespace: string, name: string): Promise<void> {
    await eventually('the Deployment reports available replicas', async () => {
      const live = await this.client.get(deployments, { namespace, name });
      if (live === undefined) return undefined;
      const status = {
        observedGeneration: live.metadata.generation,
        replicas: 1,
        updatedReplicas: 1,
        readyReplicas: 1,
        availableReplicas: 1,
      };
      const replace = [{ op: 'add', path: '/status', value: status }] as const;
      const options = { fieldManager: 'kube-controller-manager', subresource: 'status' };
      return await this.client.jsonPatch(deployments, { namespace, name }, replace, options);
    });
  }

  /** What an agent of this Pod writes when its tunnel is up. */
  async agentSays(
    namespace: string,
    name: string,
    agentPod: string | undefined,
    word: { readonly status: string; readonly reason: string; readonly message: string } = online,
  ): Promise<void> {
    const condition = { type: 'TunnelReady', ...word, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const status = {
      conditions: [condition],
      ...(agentPod && { agentPod }),
      tunnelID: 't1',
      forwardingAddress: 'https://x.example',
    };
    const object: Loose = { metadata: { namespace, name }, status };
    await this.client.applyStatus(tunnelResource, object, { fieldManager: FIELD_MANAGER.agent });
  }
}
