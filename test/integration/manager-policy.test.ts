// What a tunnel may refer to: Services of other namespaces with a ReferenceGrant, ExternalName Services, images, engines,
// and objects that belong to somebody else.

import { expect } from 'chai';
import { events } from '../../src/kube/events.ts';
import { configMaps, deployments, services } from '../../src/kube/well-known.ts';
import { untilEstablished } from '../support/crds.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { grantOf, grantResource, installReferenceGrants } from '../support/reference-grants.ts';
import { childrenOf, type Loose } from '../support/rstream-resources.ts';

describe('the manager and policy', function () {
  this.timeout(180_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  const flags = [
    '--allowed-agent-images',
    'registry.example/*',
    '--allowed-engines',
    '*.edge.example.com:443',
  ];

  before(async () => {
    harness = await ManagerHarness.start();
    await installReferenceGrants(harness.server);
    await untilEstablished(harness.server);
    manager = await harness.manager(flags);
  });
  after(async () => await harness?.stop());

  const deploymentOf = async (namespace: string) => {
    const { metadata } = await harness.tunnel(namespace);
    return await harness.client.get(deployments, {
      namespace,
      name: childrenOf({ metadata }).base,
    });
  };

  async function grant(...of: Parameters<typeof grantOf>): Promise<void> {
    await harness.put(grantResource, grantOf(...of));
  }

  it('crosses namespaces with a ReferenceGrant, and stops the agent when it is revoked', async () => {
    const [namespace, other] = [await harness.namespace(), await harness.namespace()];
    await harness.service(other);
    const target = { service: { name: 'app', port: 80, namespace: other } };
    await harness.world(namespace, { target });
    const refused = await harness.reason(namespace, 'Resolved', 'RefNotPermitted');
    expect(refused.status?.conditions?.find(({ type }) => type === 'Stalled')?.status).to.equal('True');
    expect(await deploymentOf(namespace)).to.equal(undefined);

    await grant(other, { namespace }, { name: 'app' });
    await harness.reason(namespace, 'Resolved', 'Resolved');
    await eventually('the agent is deployed', async () => (await deploymentOf(namespace)) !== undefined);

    await harness.client.delete(grantResource, { namespace: other, name: 'tunnels' });
    await harness.reason(namespace, 'Resolved', 'RefNotPermitted');
    await eventually('the agent is gone', async () => (await deploymentOf(namespace)) === undefined);
  });

  it('takes no grant for one that is from or to something else', async () => {
    const [namespace, stranger, other] = [
      await harness.namespace(),
      await harness.namespace(),
      await harness.namespace(),
    ];
    await harness.service(other);
    const target = { service: { name: 'app', port: 80, namespace: other } };
    await harness.world(namespace, { target });
    await harness.world(stranger, { target });
    await harness.reason(namespace, 'Resolved', 'RefNotPermitted');
    const wrong: readonly (readonly [object, object])[] = [
      [{ namespace, group: 'gateway.networking.k8s.io' }, {}],
      [{ namespace, kind: 'RstreamConnection' }, {}],
      [{ namespace: other }, {}],
      [{ namespace }, { group: 'apps' }],
      [{ namespace }, { kind: 'Secret' }],
      [{ namespace }, { name: 'another' }],
    ];
    for (const [index, [from, to]] of wrong.entries()) await grant(other, from, to, `wrong-${index}`);
    // Grants arrive in order: whoever knows of this one knew of those before it.
    await grant(other, { namespace: stranger });
    await harness.reason(stranger, 'Resolved', 'Resolved');
    await manager.quiet();

    await harness.reason(namespace, 'Resolved', 'RefNotPermitted');
    expect(await deploymentOf(namespace)).to.equal(undefined);
  });

  it('refuses ExternalName Services', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    await harness.client.delete(services, { namespace, name: 'app' });
    const external: Loose = {
      metadata: { namespace, name: 'app' },
      spec: { type: 'ExternalName', externalName: 'internal.example', ports: [{ name: 'http', port: 80 }] },
    };
    await harness.put(services, external);
    await harness.reason(namespace, 'Resolved', 'RefNotPermitted');
  });

  it('refuses images and engines that are not on its lists', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace, { agent: { image: 'evil.example/agent' } });
    await harness.reason(namespace, 'Accepted', 'InvalidSpec');
    await harness.tunnelOf(namespace, { agent: { image: 'registry.example/agent' } });
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await harness.connection(namespace, { engine: 'evil.example:443' });
    const denied = await harness.reason(namespace, 'Ready', 'ConnectionNotReady');
    expect(denied.status?.conditions?.find(({ type }) => type === 'Ready')?.message).to.include(
      'PolicyDenied',
    );
    await eventually('the agent is gone', async () => (await deploymentOf(namespace)) === undefined);
  });

  it('does not touch a foreign object of a name it needs, and says so', async () => {
    const namespace = await harness.namespace();
    const { metadata } = await harness.world(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await manager.stop();
    const { config } = childrenOf({ metadata });
    await harness.client.delete(configMaps, { namespace, name: config });
    const foreign: Loose = { metadata: { namespace, name: config }, data: { theirs: 'yes' } };
    await harness.put(configMaps, foreign);

    manager = await harness.manager(flags);
    const failed = await harness.reason(namespace, 'AgentReady', 'DeploymentFailed');
    expect(failed.status?.conditions?.find(({ type }) => type === 'AgentReady')?.message).to.include(config);
    expect((await harness.client.get(configMaps, { namespace, name: config }))?.data).to.deep.equal({
      theirs: 'yes',
    });
    await harness.client.delete(configMaps, { namespace, name: config });
    // It would look again by itself, but only after half a minute.
    await harness.tunnelOf(namespace, { labels: { look: 'again' } });
    await harness.reason(namespace, 'AgentReady', 'DeploymentPending');
  });

  it('turns what the API server refuses into a condition, without a loop', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace, {
      agent: { tolerations: [{ operator: 'Exists', value: 'not-allowed-here' }] },
    });
    const failed = await harness.reason(namespace, 'AgentReady', 'DeploymentFailed');
    expect(failed.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason).to.equal(
      'DeploymentFailed',
    );
    const before = await manager.writes();
    // What is refused is tried again, ever more seldom: a loop would never be quiet.
    expect((await manager.quiet()) - before).to.be.at.most(3);
  });

  it('tells each change as an Event, once', async () => {
    const namespace = await harness.namespace();
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Resolved', 'ConnectionMissing');
    await Promise.all([harness.secret(namespace), harness.service(namespace)]);
    await harness.connection(namespace);
    await harness.reason(namespace, 'Resolved', 'Resolved');
    const seen = await eventually('both Events are there', async () => {
      const list = await harness.client.list(events, { namespace });
      const reasons = list.items.map(({ reason, regarding }) => `${regarding?.kind} ${reason}`).toSorted();
      if (reasons.length < 3) throw new Error(reasons.join());
      return reasons;
    });
    expect(seen).to.include.members(['RstreamTunnel ConnectionMissing', 'RstreamTunnel Resolved']);
    expect(new Set(seen).size).to.equal(seen.length);
  });
});
