// A manager inside the test process, on a clock of the test's choice; its log lines and metrics are kept.

import { Registry } from 'prom-client';
import { systemClock } from '../../src/common/clock.ts';
import { createLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { parseFlags } from '../../src/manager/flags.ts';
import { Manager } from '../../src/manager/manager.ts';
import { fastClock } from './fast-clock.ts';

export interface LocalManagerOptions {
  readonly kubeconfig: string;
  /** How many times faster than the wall its clock runs; default 1. */
  readonly speed?: number;
  readonly args?: readonly string[];
}

/** Calls have this long in real time, whatever the clock says. */
const callMs = 60_000;

export class LocalManager {
  readonly manager: Manager;
  readonly registry = new Registry();
  readonly lines: string[] = [];
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  private constructor({ kubeconfig, speed = 1, args = [] }: LocalManagerOptions) {
    const clock = fastClock(speed);
    const metrics = new KubeMetrics(this.registry);
    const credentials = kubeconfigCredentials({ file: kubeconfig, clock: systemClock });
    this.#client = new KubeClient({ credentials, clock, metrics, timeoutMs: callMs * speed });
    const log = createLogger('manager', {
      level: 'debug',
      destination: { write: (line) => this.lines.push(line) },
    });
    const flags = parseFlags(['--agent-image', 'agent:test', ...args]);
    const { registry } = this;
    this.manager = new Manager({
      client: this.#client,
      clock,
      log,
      registry,
      metrics,
      flags,
      identity: 'local',
    });
  }

  /** Resolves when its caches are filled and its workers run. */
  static async start(options: LocalManagerOptions): Promise<LocalManager> {
    const local = new LocalManager(options);
    await local.manager.start(local.#stop.signal);
    local.#leading = local.manager.lead(local.#client, 'test-cluster', local.#stop.signal);
    return local;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.#leading;
    await this.manager.stop();
    this.#client.close();
  }

  /** The value of one sample, 0 when there is none; `labels` as they are written, like `name="secrets"`. */
  async sample(name: string, labels: string): Promise<number> {
    const line = (await this.registry.metrics())
      .split('\n')
      .find((one) => one.startsWith(`${name}{`) && one.includes(labels));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
}
