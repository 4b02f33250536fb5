// How soon and how exactly the manager reacts: hand edits of any child are gone within a second, one write each, and a new
// value of a Secret's key rolls exactly the agents that use that key, once.

import { expect } from 'chai';
import { childNames } from '../../src/api/names.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import {
  deployments,
  podDisruptionBudgets,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
} from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { connectionResource, type Loose } from '../support/rstream-resources.ts';
import { worldState } from '../support/world-state.ts';

const us = { fieldManager: 'somebody' };
/** A machine busy with something else may spoil a batch; a manager that reacts late spoils every one. */
const batches = 4;

describe('the manager reacts', function () {
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
  });

  async function baseOf(name: string): Promise<string> {
    return childNames(name, (await harness.tunnel(namespace, name)).metadata.uid ?? '').base;
  }

  it('within a second to a hand edit', async () => {
    await harness.world(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const medians: number[] = [];
    for (let batch = 0; batch < batches && !medians.some((median) => median < 1000); batch += 1) {
      medians.push(await putBackMs({ namespace, name: await baseOf('web') }));
    }
    expect(Math.min(...medians), `medians: ${medians.map(Math.round).join(', ')} ms`).to.be.below(1000);
  });

  /** How long the Deployment stays as somebody edited it: the median of nine edits, in milliseconds. */
  async function putBackMs(ref: { readonly namespace: string; readonly name: string }): Promise<number> {
    const times: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const spec = { replicas: 3 };
      const { generation = 0 } = (await harness.client.mergePatch(deployments, ref, { spec }, us)).metadata;
      const sinceMs = performance.now();
      await eventually('it is put back', async () => {
        const live = await harness.client.get(deployments, ref);
        const isNewer = (live?.metadata.generation ?? 0) > generation;
        return isNewer && JSON.stringify(live).includes('"replicas":1');
      });
      times.push(performance.now() - sinceMs);
    }
    return times.toSorted((a, b) => a - b)[4] ?? Number.NaN;
  }

  it('to edits of every kind of child, with one write for each', async () => {
    await harness.world(namespace, { agent: { replicas: 2 } });
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const name = await baseOf('web');
    const before = await manager.quiet();
    const wanted = await worldState(harness, namespace);
    const evil = { apiGroups: [''], resources: ['secrets'], verbs: ['*'] };
    const stranger = { kind: 'ServiceAccount', name: 'default', namespace };
    const edits: readonly (readonly [Resource<KubeObject>, Record<string, unknown>])[] = [
      [roles, { rules: [evil] }],
      [roleBindings, { subjects: [stranger] }],
      [serviceAccounts, { metadata: { ownerReferences: null } }],
      [podDisruptionBudgets, { spec: { maxUnavailable: 2 } }],
    ];
    for (const [resource, body] of edits) {
      await harness.client.mergePatch(resource, { namespace, name }, body, us);
    }
    await eventually(
      'all is as it was',
      async () => {
        expect(await worldState(harness, namespace)).to.deep.equal(wanted);
        return true;
      },
      { timeoutMs: 60_000 },
    );
    expect((await manager.quiet()) - before).to.equal(edits.length);
  });

  it('to a new value of a key by rolling exactly the agents that use it, once', async () => {
    await harness.secret(namespace, { token: 'one', second: 'two', unused: 'three' });
    await harness.service(namespace);
    await harness.connection(namespace);
    const tokenSecretRef = { name: 'credentials', key: 'second' };
    const spec = { engine: 'p2.edge.example.com', tokenSecretRef };
    const second: Loose = { metadata: { namespace, name: 'second' }, spec };
    await harness.put<KubeObject>(connectionResource, second);
    const users = { token: ['a', 'b', 'c'], second: ['d', 'e'] };
    for (const name of users.token) await harness.tunnelOf(namespace, {}, name);
    for (const name of users.second)
      await harness.tunnelOf(namespace, { connectionRef: { name: 'second' } }, name);
    const names = [...users.token, ...users.second];
    for (const name of names) await harness.reason(namespace, 'Ready', 'WaitingForDeployment', name);

    const generations = async () => {
      const entries = names.map(async (name) => {
        const found = await harness.client.get(deployments, { namespace, name: await baseOf(name) });
        return [name, found?.metadata.generation ?? 0] as const;
      });
      return Object.fromEntries(await Promise.all(entries));
    };
    const change = async (body: Record<string, unknown>) =>
      await harness.client.mergePatch(secrets, { namespace, name: 'credentials' }, body, us);

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
      await manager.quiet();
      expect(await generations(), `once for ${key}`).to.deep.equal(wanted);
      // A Deployment and a status for each that rolls; Events are none.
      expect((await manager.quiet()) - writes).to.be.at.most(2 * users[key].length);
    }

    const [before, writes] = [await generations(), await manager.quiet()];
    await change({ stringData: { unused: 'new', another: 'one' } });
    await change({ metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } });
    await change({ stringData: { token: 'new token' } });
    expect((await manager.quiet()) - writes).to.equal(0);
    expect(await generations()).to.deep.equal(before);
  });
});
