// What a change of a Secret does: a new value of a key rolls exactly the agents that use that key, once, and nothing else
// about it writes anything.

import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/object.ts';
import { deployments, secrets } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { childrenOf, connectionResource, type Loose } from '../support/rstream-resources.ts';

/** The tunnels that use each key of the Secret. */
const users = { token: ['a', 'b', 'c'], second: ['d', 'e'] };
const names = Object.values(users).flat();

describe('the manager and a Secret that changes', function () {
  this.timeout(180_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  let namespace: string;

  before(async () => {
    harness = await ManagerHarness.start();
    manager = await harness.manager();
  });
  after(async () => await harness?.stop());
  beforeEach(async () => {
    namespace = await harness.namespace();
    await harness.secret(namespace, { token: 'one', second: 'two', unused: 'three' });
    await harness.service(namespace);
    await harness.connection(namespace);
    const spec = { engine: 'p2.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'second' } };
    const second: Loose = { metadata: { namespace, name: 'second' }, spec };
    await harness.put<KubeObject>(connectionResource, second);
    for (const name of users.token) await harness.tunnelOf(namespace, {}, name);
    const bySecond = { connectionRef: { name: 'second' } };
    for (const name of users.second) await harness.tunnelOf(namespace, bySecond, name);
    for (const name of names) await harness.reason(namespace, 'Ready', 'WaitingForDeployment', name);
  });

  /** How often each tunnel's Deployment was changed. */
  async function generations(): Promise<Readonly<Record<string, number>>> {
    const entries = names.map(async (name) => {
      const { base } = childrenOf(await harness.tunnel(namespace, name));
      const found = await harness.client.get(deployments, { namespace, name: base });
      return [name, found?.metadata.generation ?? 0] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  async function change(body: Record<string, unknown>): Promise<void> {
    const ref = { namespace, name: 'credentials' };
    await harness.client.mergePatch(secrets, ref, body, { fieldManager: 'somebody' });
  }

  it('rolls exactly the agents that use a key with a new value, once', async () => {
    for (const key of ['token', 'second'] as const) {
      const [before, writes] = [await generations(), await manager.quiet()];
      await change({ stringData: { [key]: `new ${key}` } });
      const rolled = names.map((name) => [name, (before[name] ?? 0) + (users[key].includes(name) ? 1 : 0)]);
      const wanted = Object.fromEntries(rolled);
      await eventually(
        'they roll',
        async () => {
          expect(await generations()).to.deep.equal(wanted);
          return true;
        },
        { timeoutMs: 60_000 },
      );
      // A Deployment and a status for each that rolls; Events are none.
      expect((await manager.quiet()) - writes).to.be.at.most(2 * users[key].length);
      expect(await generations(), `once for ${key}`).to.deep.equal(wanted);
    }
  });

  it('writes nothing when anything else about it changes', async () => {
    const [before, writes] = [await generations(), await manager.quiet()];
    await change({ stringData: { unused: 'new', another: 'one' } });
    await change({ metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } });
    await change({ stringData: { token: 'one' } });
    expect((await manager.quiet()) - writes).to.equal(0);
    expect(await generations()).to.deep.equal(before);
  });
});
