// A manager of which everything can be seen: it runs in this process, its requests pass through a proxy, and the control plane
// that it asks is the test's own.

import { ApiProxy } from './api-proxy.ts';
import { LocalManager } from './local-manager.ts';
import { ManagerHarness } from './manager-harness.ts';
import { ASKING_FLAGS, answer, project, ScriptedControlPlane } from './scripted-control-plane.ts';

export class ObservedManager {
  readonly harness: ManagerHarness;
  readonly proxy: ApiProxy;
  readonly plane: ScriptedControlPlane;
  readonly #args: readonly string[];
  #local: LocalManager | undefined;

  private constructor(
    harness: ManagerHarness,
    proxy: ApiProxy,
    plane: ScriptedControlPlane,
    args: readonly string[],
  ) {
    this.harness = harness;
    this.proxy = proxy;
    this.plane = plane;
    this.#args = [...ASKING_FLAGS, ...args];
  }

  static async start(args: readonly string[] = []): Promise<ObservedManager> {
    const harness = await ManagerHarness.start();
    const proxy = await ApiProxy.start(harness.server);
    const observed = new ObservedManager(harness, proxy, await ScriptedControlPlane.start(), args);
    await observed.restart();
    return observed;
  }

  get local(): LocalManager {
    if (!this.#local) throw new Error('the manager does not run');
    return this.#local;
  }

  /** Another one in its place. */
  async restart(): Promise<void> {
    await this.#local?.stop();
    this.#local = await LocalManager.start({ kubeconfig: this.proxy.kubeconfig, args: this.#args });
  }

  async stop(): Promise<void> {
    await this.#local?.stop();
    await this.plane.stop();
    await this.proxy.stop();
    await this.harness.stop();
  }
}

export interface ObservedParts extends Pick<ObservedManager, 'harness' | 'proxy' | 'plane'> {
  readonly observed: ObservedManager;
  readonly namespace: string;
}

/** One for the tests of a block. Each of them is handed its parts, a namespace, and a control plane that knows the project. */
export function observeManager(args: readonly string[], use: (parts: ObservedParts) => void): void {
  let observed: ObservedManager | undefined;

  before(async () => {
    observed = await ObservedManager.start(args);
  });
  beforeEach(async () => {
    if (!observed) throw new Error('the manager does not run');
    const { harness, proxy, plane } = observed;
    plane.answer = answer(200, project);
    use({ observed, harness, proxy, plane, namespace: await harness.namespace() });
  });
  after(async () => await observed?.stop());
}
