// Managers that are killed at any moment of a rollout: always the same end state, and then no write that changes nothing.

import { expect } from 'chai';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { tunnelResource } from '../support/rstream-resources.ts';

const isFull = process.env.RSTREAM_TEST_FULL === '1';
const tunnels = isFull ? 200 : 20;
const kills = isFull ? 50 : 5;

describe('managers that are killed', function () {
  this.timeout(isFull ? 1_800_000 : 240_000);
  let harness: ManagerHarness;

  before(async () => {
    harness = await ManagerHarness.start();
  });
  after(async () => await harness?.stop());

  async function allDeployed(namespace: string): Promise<void> {
    await eventually(
      'every tunnel has all its children',
      async () => {
        const count = async (kind: string) =>
          (
            await harness.server.kubectl([
              '-n',
              namespace,
              'get',
              kind,
              '-l',
              'rstream.io/tunnel-uid',
              '-o',
              'name',
            ])
          )
            .split('\n')
            .filter((line) => line !== '').length;
        for (const kind of ['deployment', 'configmap', 'serviceaccount', 'role', 'rolebinding']) {
          expect(await count(kind), kind).to.equal(tunnels);
        }
        const { items } = await harness.client.list(tunnelResource, { namespace });
        const waiting = items.filter(({ metadata, status }) => {
          const ready = status?.conditions?.find(({ type }) => type === 'Ready');
          return (
            ready?.reason === 'WaitingForDeployment' && status?.observedGeneration === metadata.generation
          );
        });
        expect(waiting.length).to.equal(tunnels);
        return true;
      },
      { timeoutMs: 120_000, everyMs: 300 },
    );
  }

  async function reconciles(manager: ManagerProcess): Promise<number> {
    const line = /controller_runtime_reconcile_total\{[^}]*rstreamtunnel[^}]*success[^}]*\} (\d+)/;
    return Number(line.exec(await manager.metrics())?.[1] ?? 0);
  }

  it(`converge although killed ${kills} times in a rollout of ${tunnels} tunnels, and then write nothing`, async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace, {}, 't0');
    const names = Array.from({ length: tunnels - 1 }, (_, index) => `t${index + 1}`);
    await Promise.all(names.map((name) => harness.tunnelOf(namespace, {}, name)));

    for (let kill = 0; kill < kills; kill += 1) {
      const manager = await harness.manager();
      const level = Math.ceil((Math.random() * 6 * tunnels) / kills);
      await eventually('it has written a little, or is done', async () => {
        return (await manager.writes()) >= level || (await reconciles(manager)) >= tunnels;
      });
      await manager.stop('SIGKILL');
    }
    const last = await harness.manager();
    await allDeployed(namespace);
    await last.stop('SIGTERM');

    const idle = await harness.manager();
    await eventually('it has looked at every tunnel', async () => {
      const reconciles =
        /controller_runtime_reconcile_total\{[^}]*rstreamtunnel[^}]*success[^}]*\} (\d+)/.exec(
          await idle.metrics(),
        );
      return Number(reconciles?.[1] ?? 0) >= tunnels;
    });
    expect(await idle.writes()).to.equal(0);
    await idle.stop();
    expect(idle.daemon.running).to.equal(false);
  });
});
