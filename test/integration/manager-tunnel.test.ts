// The manager against a real API server: one tunnel from nothing to Ready, and every reference that can be missing.

import { expect } from 'chai';
import { childNames } from '../../src/api/names.ts';
import { configMaps, deployments, services } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness, type ManagerProcess } from '../support/manager-harness.ts';

describe('the manager', function () {
  this.timeout(180_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;

  before(async () => {
    harness = await ManagerHarness.start();
    manager = await harness.manager();
  });
  after(async () => await harness?.stop());

  it('reconciles a tunnel from nothing to Ready, and heals each missing reference in turn', async () => {
    const namespace = await harness.namespace();
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Resolved', 'ConnectionMissing');
    await harness.connection(namespace);
    const waiting = await harness.reason(namespace, 'Resolved', 'SecretMissing');
    expect(waiting.status?.conditions?.find(({ type }) => type === 'Ready')?.message).to.include(
      'credentials',
    );
    await harness.secret(namespace);
    await harness.reason(namespace, 'Resolved', 'ServiceMissing');
    await harness.service(namespace, { name: 'other', port: 81 });
    await harness.reason(namespace, 'Resolved', 'ServicePortMissing');
    await harness.service(namespace);
    const resolved = await harness.reason(namespace, 'Resolved', 'Resolved');

    expect(resolved.status?.target).to.equal(`app.${namespace}.svc:80`);
    expect(resolved.status?.hostname).to.match(/^r[0-9a-f]{8}-p1\.t\.edge\.example\.com$/);
    expect(resolved.status?.rstreamName).to.equal(`${namespace}-web`);
    const { base, config } = childNames('web', resolved.metadata.uid ?? '');
    const configMap = await harness.client.get(configMaps, { namespace, name: config });
    expect(configMap?.data?.['config.yaml']).to.include('engine: p1.edge.example.com:443');

    await harness.available(namespace, base);
    await harness.reason(namespace, 'AgentReady', 'DeploymentAvailable');
    await harness.reason(namespace, 'Ready', 'WaitingForTunnel');
    await harness.agentSays(namespace, 'web', 'nobody');
    await harness.reason(namespace, 'Ready', 'Ready');
    await harness.reason(namespace, 'TunnelReady', 'AgentUnavailable');
    const lost = await harness.reason(namespace, 'Ready', 'WaitingForTunnel');
    expect(lost.status?.conditions?.find(({ type }) => type === 'Ready')?.status).to.equal('False');
    expect(manager.log()).to.not.include('token-canary-1');
  });

  it('keeps what runs while a reference is missing', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    const resolved = await harness.reason(namespace, 'Resolved', 'Resolved');
    const { base } = childNames('web', resolved.metadata.uid ?? '');

    await harness.client.delete(services, { namespace, name: 'app' });
    await harness.reason(namespace, 'Ready', 'ServiceMissing');
    expect(await harness.client.get(deployments, { namespace, name: base })).to.not.equal(undefined);
    await harness.service(namespace);
    await harness.reason(namespace, 'Resolved', 'Resolved');
  });

  it('stops the agent of a suspended tunnel, and starts it again', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    const resolved = await harness.reason(namespace, 'Resolved', 'Resolved');
    const { base } = childNames('web', resolved.metadata.uid ?? '');
    const deployment = () => harness.client.get(deployments, { namespace, name: base });
    await eventually('the Deployment is there', async () => (await deployment()) !== undefined);

    await harness.tunnelOf(namespace, { suspend: true });
    await harness.reason(namespace, 'Ready', 'Suspended');
    await eventually('the Deployment is gone', async () => (await deployment()) === undefined);
    await harness.tunnelOf(namespace, {});
    await eventually('the Deployment is back', async () => (await deployment()) !== undefined);
  });
});
