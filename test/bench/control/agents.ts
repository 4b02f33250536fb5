// Agents without processes: for every Pod that runs, the agent's own status reporter with a state that moves as an agent's
// does, connecting, then online, or standing by until the Pod before it is gone. A Pod turns Ready when its agent is.

import { AgentState } from '../../../src/agent/state.ts';
import { StatusReporter } from '../../../src/agent/status-reporter.ts';
import { TargetHealth } from '../../../src/agent/target-health.ts';
import { CHILD_LABEL } from '../../../src/api/names.ts';
import { systemClock } from '../../../src/common/clock.ts';
import { silentLogger } from '../../../src/common/logging.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { type KubeObject, keyOf } from '../../../src/kube/object.ts';
import { resource } from '../../../src/kube/resource.ts';

export interface SimulatedAgentsOptions {
  /** Writes what agents write. */
  readonly client: KubeClient;
  /** Writes what a kubelet would: that a Pod is Ready. */
  readonly kubelet: KubeClient;
}

interface Status {
  readonly type: string;
  readonly status: string;
}

interface AgentPod extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Status[];
    readonly containerStatuses?: readonly object[];
  };
}

interface Agent {
  readonly pod: string;
  readonly state: AgentState;
  readonly stop: AbortController;
}

const pods = resource<AgentPod>({ group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true });
/** What an engine takes to answer. */
const engineMs = 100;

export class SimulatedAgents {
  readonly #options: SimulatedAgentsOptions;
  readonly #informer: Informer<AgentPod>;
  /** By the tunnel's uid; the first of each list holds the tunnel. */
  readonly #agents = new Map<string, Agent[]>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: SimulatedAgentsOptions) {
    this.#options = options;
    this.#informer = new Informer({
      client: options.kubelet,
      resource: pods,
      clock: systemClock,
      log: silentLogger,
      labelSelector: CHILD_LABEL.tunnelUid,
    });
    const changed = (pod: AgentPod) => this.#changed(pod);
    this.#informer.subscribe({ onAdd: changed, onUpdate: changed, onDelete: (pod) => this.#gone(pod) });
  }

  /** How many Pods have an agent now. */
  get size(): number {
    return [...this.#agents.values()].reduce((sum, agents) => sum + agents.length, 0);
  }

  async start(): Promise<void> {
    this.#informer.start();
    await this.#informer.synced();
  }

  async stop(): Promise<void> {
    await this.#informer.stop();
    for (const agent of [...this.#agents.values()].flat()) agent.stop.abort();
    await Promise.all(this.#running);
    this.#options.client.close();
    this.#options.kubelet.close();
  }

  #changed(pod: AgentPod): void {
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.#gone(pod);
      return;
    }
    const agents = this.#of(pod);
    if (pod.status?.phase !== 'Running' || agents.some((agent) => agent.pod === pod.metadata.name)) return;

    const agent = { pod: pod.metadata.name, state: new AgentState(), stop: new AbortController() };
    agents.push(agent);
    this.#follow(this.#reporter(pod, agent.state).run(agent.stop.signal));
    systemClock.after(engineMs, () => this.#answered(pod, agent));
  }

  /** The engine lets the first agent of a tunnel in and refuses the others. */
  #answered(pod: AgentPod, agent: Agent): void {
    if (agent.stop.signal.aborted) return;
    const [owner] = this.#of(pod);
    if (owner === agent) this.#goOnline(agent);
    else agent.state.set({ kind: 'standby', owner: owner?.pod ?? '' }, systemClock.date());
    this.#follow(this.#markReady(pod));
  }

  #gone(pod: AgentPod): void {
    const agents = this.#of(pod);
    const index = agents.findIndex((agent) => agent.pod === pod.metadata.name);
    if (index < 0) return;
    agents[index]?.stop.abort();
    agents.splice(index, 1);
    const [next] = agents;
    if (index === 0 && next?.state.tunnel.kind === 'standby') this.#goOnline(next);
  }

  #goOnline({ state, pod }: Agent): void {
    const forwardingAddress = `https://${pod.replace(/-[^-]*-[^-]*$/, '')}.edge.example.com`;
    state.set({ kind: 'online', tunnelId: 't1', forwardingAddress }, systemClock.date());
  }

  #reporter(pod: AgentPod, state: AgentState): StatusReporter {
    const { namespace = '', labels = {} } = pod.metadata;
    return new StatusReporter({
      client: this.#options.client,
      tunnel: { namespace, name: labels[CHILD_LABEL.tunnelName] ?? '', uid: labels[CHILD_LABEL.tunnelUid] },
      podName: pod.metadata.name,
      targetAddress: 'app:80',
      stableAddress: true,
      state,
      target: new TargetHealth(() => {}),
      clock: systemClock,
      log: silentLogger,
    });
  }

  async #markReady(pod: AgentPod): Promise<void> {
    const { conditions = [], containerStatuses = [] } =
      this.#informer.getByKey(keyOf(pod.metadata))?.status ?? {};
    const isReadiness = ({ type }: Status) => type === 'Ready' || type === 'ContainersReady';
    const status = {
      conditions: conditions.map((condition) =>
        isReadiness(condition) ? { ...condition, status: 'True' } : condition,
      ),
      containerStatuses: containerStatuses.map((container) => ({ ...container, ready: true })),
    };
    const { namespace, name } = pod.metadata;
    const options = { fieldManager: 'bench-kubelet', subresource: 'status' };
    await this.#options.kubelet.mergePatch(pods, { namespace, name }, { status }, options);
  }

  #of(pod: AgentPod): Agent[] {
    const uid = pod.metadata.labels?.[CHILD_LABEL.tunnelUid] ?? '';
    const agents = this.#agents.get(uid) ?? [];
    this.#agents.set(uid, agents);
    return agents;
  }

  /** A Pod that is deleted under a write is no failure of the bench; whoever waits for its state will say so. */
  #follow(work: Promise<void>): void {
    const followed = work.catch(() => {}).finally(() => this.#running.delete(followed));
    this.#running.add(followed);
  }
}
