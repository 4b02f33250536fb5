// A control plane whose Pods seem to run: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and one node that
// kwok plays. Nothing runs in the Pods; Deployments, ReplicaSets, scheduling and garbage collection are the real ones.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import { KubeApiserver, type KubeApiserverOptions } from './kube-apiserver.ts';
import { kubeBinary } from './test-home.ts';

export interface KwokClusterOptions extends Omit<KubeApiserverOptions, 'controllerManager' | 'scheduler'> {
  /** Whether Pods turn Ready as soon as they run (the default), or only when the test says so in their status. */
  readonly podsBecomeReady?: boolean;
}

const nodeName = 'fake-node';

export class KwokCluster {
  readonly server: KubeApiserver;
  readonly kwok: Daemon;

  private constructor(server: KubeApiserver, kwok: Daemon) {
    this.server = server;
    this.kwok = kwok;
  }

  /** Resolves when the node is Ready and Pods can be scheduled to it. */
  static async start(options: KwokClusterOptions = {}): Promise<KwokCluster> {
    const { podsBecomeReady = true, ...rest } = options;
    const server = await KubeApiserver.start({ ...rest, controllerManager: true, scheduler: true });
    try {
      const kwok = startKwok(server, podsBecomeReady);
      await server.kubectl(['apply', '-f', '-'], node());
      await eventually('the fake node is Ready', () => isNodeReady(server), {
        timeoutMs: 60_000,
        everyMs: 100,
      });
      return new KwokCluster(server, kwok);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.kwok.stop();
    await this.server.stop();
  }
}

function startKwok(server: KubeApiserver, podsBecomeReady: boolean): Daemon {
  const stages = join(server.directory, 'kwok-stages.yaml');
  const template = readFileSync(join(import.meta.dirname, 'kwok-stages.yaml'), 'utf8');
  const readiness = String(podsBecomeReady);
  const ready = podsBecomeReady ? 'True' : 'False';
  // Comments end up in no stage.
  const text = template
    .replace(/^#.*\n/gm, '')
    .replaceAll('READINESS', readiness)
    .replaceAll('READY', ready);
  writeFileSync(stages, text);
  return new Daemon({
    command: kubeBinary('kwok'),
    args: [
      ...['--kubeconfig', server.kubeconfig, '--config', stages, '--manage-all-nodes'],
      // Renewed by kwok, or the controller-manager would evict every Pod after a minute.
      '--node-lease-duration-seconds=40',
    ],
    logFile: join(server.directory, 'kwok.log'),
    env: { KWOK_WORKDIR: server.directory },
  });
}

function node(): string {
  const labels = { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': 'linux' };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, labels } });
}

async function isNodeReady(server: KubeApiserver): Promise<boolean> {
  const jsonpath = '{.status.conditions[?(@.type=="Ready")].status} {.spec.taints}';
  const text = await server.kubectl(['get', 'node', nodeName, '-o', `jsonpath=${jsonpath}`]);
  return text.trim() === 'True';
}
