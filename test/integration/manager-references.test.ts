// Whatever a tunnel refers to may be missing or wrong, before it runs or while it does: the tunnel says why, what runs goes
// on untouched, nobody asks the API server again and again, and a repair leads back to the very same state.

import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { configMaps, deployments, secrets, services } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { childrenOf, connectionResource } from '../support/rstream-resources.ts';
import { worldState } from '../support/world-state.ts';

type Change = (namespace: string) => Promise<unknown>;

describe('the manager and what tunnels refer to', function () {
  this.timeout(180_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;

  before(async () => {
    harness = await ManagerHarness.start();
    manager = await harness.manager();
  });
  after(async () => await harness?.stop());

  const port = (more: object) => (namespace: string) =>
    harness.service(namespace, { name: 'http', port: 80, ...more });
  const patch =
    (resource: Resource<KubeObject>, name: string, body: Record<string, unknown>) => (namespace: string) =>
      harness.client.mergePatch(resource, { namespace, name }, body, { fieldManager: 'test' });
  const secret: Change = (namespace) => harness.secret(namespace);
  const service: Change = async (namespace) => {
    await harness.client.delete(services, { namespace, name: 'app' });
    await harness.service(namespace);
  };
  const connection: Change = (namespace) => harness.connection(namespace);

  const finalizers = (value: readonly string[] | null) =>
    patch(connectionResource, 'default', { metadata: { finalizers: value } });
  const dyingConnection: Change = async (namespace) => {
    await finalizers(['example.com/holds-on'])(namespace);
    await harness.client.delete(connectionResource, { namespace, name: 'default' });
  };
  const connectionAgain: Change = async (namespace) => {
    await finalizers(null)(namespace);
    await harness.connection(namespace);
  };

  const cases: readonly (readonly [what: string, reason: string, broken: Change, repair: Change])[] = [
    [
      'no Secret',
      'SecretMissing',
      (namespace) => harness.client.delete(secrets, { namespace, name: 'credentials' }),
      secret,
    ],
    [
      'a Secret without the key',
      'SecretMissing',
      patch(secrets, 'credentials', { data: { token: null, other: 'eA==' } }),
      secret,
    ],
    ['an empty key', 'SecretMissing', patch(secrets, 'credentials', { data: { token: '' } }), secret],
    ['a blank key', 'SecretMissing', patch(secrets, 'credentials', { data: { token: 'IAo=' } }), secret],
    [
      'no Service',
      'ServiceMissing',
      (namespace) => harness.client.delete(services, { namespace, name: 'app' }),
      service,
    ],
    ['a Service without the port', 'ServicePortMissing', port({ name: 'web' }), service],
    [
      'a port of the other protocol',
      'ServicePortMismatch',
      patch(services, 'app', { spec: { ports: [{ name: 'http', port: 80, protocol: 'UDP' }] } }),
      service,
    ],
    [
      'no connection',
      'ConnectionMissing',
      (namespace) => harness.client.delete(connectionResource, { namespace, name: 'default' }),
      connection,
    ],
    ['a connection that a finalizer holds on to', 'ConnectionMissing', dyingConnection, connectionAgain],
    [
      'a connection to another Secret',
      'SecretMissing',
      patch(connectionResource, 'default', { spec: { tokenSecretRef: { name: 'elsewhere' } } }),
      connection,
    ],
  ];

  /** Requests of the manager so far, reads and writes. */
  async function requests(): Promise<number> {
    const lines = (await manager.metrics()).split('\n');
    const samples = lines.filter((line) => line.startsWith('rest_client_requests_total{'));
    return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async function quiet(): Promise<void> {
    let last = -1;
    await eventually(
      'the manager asks for nothing',
      async () => {
        const now = await requests();
        const isQuiet = now === last;
        last = now;
        return isQuiet;
      },
      { everyMs: 400, timeoutMs: 30_000 },
    );
  }

  async function versions(namespace: string): Promise<string> {
    const { metadata } = await harness.tunnel(namespace);
    const { base, config } = childrenOf({ metadata });
    const objects = await Promise.all([
      harness.client.get(deployments, { namespace, name: base }),
      harness.client.get(configMaps, { namespace, name: config }),
    ]);
    return objects.map((object) => object?.metadata.resourceVersion).join();
  }

  for (const [what, reason, broken, repair] of cases) {
    it(`says ${reason} for ${what}, keeps what runs, and comes back to the same state`, async () => {
      const namespace = await harness.namespace();
      await harness.world(namespace);
      await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
      const [before, running] = [await worldState(harness, namespace), await versions(namespace)];

      await broken(namespace);
      await harness.reason(namespace, 'Resolved', reason);
      const blocked = await harness.reason(namespace, 'Ready', reason);
      expect(blocked.status?.conditions?.find(({ type }) => type === 'Ready')?.status).to.equal('False');
      expect(blocked.status?.target, 'what is still forwarded to').to.equal(`app.${namespace}.svc:80`);
      await quiet();
      expect(await versions(namespace)).to.equal(running);

      await repair(namespace);
      await harness.reason(namespace, 'Resolved', 'Resolved');
      await eventually(
        'all is as it was',
        async () => {
          expect(await worldState(harness, namespace)).to.deep.equal(before);
          return true;
        },
        { timeoutMs: 60_000 },
      );
      expect(await versions(namespace)).to.equal(running);
    });
  }

  it('comes to the same states when they are missing from the start', async () => {
    // A manager that runs meanwhile may hear of the tunnel before it hears of what was broken just before it.
    await manager.stop();
    const made = await Promise.all(
      cases.map(async ([what, reason, broken, repair]) => {
        const namespace = await harness.namespace();
        await Promise.all([
          harness.secret(namespace),
          harness.service(namespace),
          harness.connection(namespace),
        ]);
        await broken(namespace);
        await harness.tunnelOf(namespace);
        return { what, reason, repair, namespace };
      }),
    );
    manager = await harness.manager();
    const worlds = await Promise.all(
      made.map(async ({ what, reason, repair, namespace }) => {
        await harness.reason(namespace, 'Ready', reason);
        const none = Object.keys(await worldState(harness, namespace));
        expect(none, what).to.deep.equal(['status of web']);
        await repair(namespace);
        await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
        return Object.keys(await worldState(harness, namespace)).length;
      }),
    );
    expect(new Set(worlds)).to.deep.equal(new Set([6]));
  });
});
