// An RstreamTunnel object on a real API server and real agents that serve it, as the manager would run them.

import { type Condition, findCondition } from '../../src/api/conditions.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { AgentProcess } from './agent-process.ts';
import type { EngineProcess } from './engine-process.ts';
import type { KubeApiserver } from './kube-apiserver.ts';
import { podOf } from './pod.ts';
import { type TunnelLike, tunnelResource } from './rstream-resources.ts';

export interface TunnelObjectOptions {
  readonly server: KubeApiserver;
  readonly client: KubeClient;
  readonly engine: EngineProcess;
  readonly namespace: string;
  readonly name: string;
  /** The configuration's tunnel section. */
  readonly tunnel: Readonly<Record<string, unknown>>;
  readonly targetPort: number;
  readonly drain?: string;
  readonly args?: readonly string[];
}

export class TunnelObject {
  readonly #options: TunnelObjectOptions;
  readonly #uid: string;
  #pods = 0;

  private constructor(options: TunnelObjectOptions, uid: string) {
    this.#options = options;
    this.#uid = uid;
  }

  static async create(options: TunnelObjectOptions): Promise<TunnelObject> {
    const { client, namespace, name } = options;
    const spec = { target: { service: { name, port: options.targetPort } } };
    const object = { metadata: { name, namespace }, spec };
    const created = await client.create(tunnelResource, object, { fieldManager: 'test' });
    return new TunnelObject(options, created.metadata.uid ?? '');
  }

  /** One more Pod of its Deployment. */
  startAgent(): AgentProcess & { readonly podName: string } {
    const { server, engine, namespace, name, tunnel, targetPort, drain = '120s', args = [] } = this.#options;
    this.#pods += 1;
    const podName = `${name}-${this.#pods}`;
    const pod = podOf(server, `${namespace}-${podName}`);
    const config = {
      connection: { engine: engine.address, tls: { caFile: engine.caFile } },
      tunnel: { name, ...tunnel, labels: { 'rstream.kubernetes.uid': this.#uid } },
      target: { host: '127.0.0.1', port: String(targetPort) },
      kubernetes: { enabled: true, namespace, tunnelName: name },
      retry: { initial: '200ms', max: '1s' },
      drain: { timeout: drain },
    };
    const env = { ...pod.env, RSTREAM_AGENT_POD_NAME: podName };
    return Object.assign(new AgentProcess({ config, args, env, prefix: pod.prefix }), { podName });
  }

  async status(): Promise<NonNullable<TunnelLike['status']>> {
    const { client, namespace, name } = this.#options;
    return (await client.get(tunnelResource, { namespace, name }))?.status ?? {};
  }

  /** The condition TunnelReady. */
  async ready(): Promise<Condition | undefined> {
    return findCondition((await this.status()).conditions, 'TunnelReady');
  }
}
