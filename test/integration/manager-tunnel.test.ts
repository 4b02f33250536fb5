// The manager against a real API server: one tunnel from nothing to Ready, and every reference that can be missing.

import { expect } from 'chai';
import { configMaps, deployments, podDisruptionBudgets, services } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { childrenOf, type Loose } from '../support/rstream-resources.ts';
import { tunnelCases } from '../support/tunnel-cases.ts';

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
    const { base, config } = childrenOf(resolved);
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

  it('guards several agents by a PodDisruptionBudget, and one by none', async () => {
    const namespace = await harness.namespace();
    const { metadata } = await harness.world(namespace, { agent: { replicas: 2 } });
    const ref = { namespace, name: childrenOf({ metadata }).base };
    const replicas = async () => (await harness.client.get(deployments, ref))?.spec?.replicas;
    await eventually(
      'two are guarded',
      async () => {
        return (
          (await harness.client.get(podDisruptionBudgets, ref)) !== undefined && (await replicas()) === 2
        );
      },
      { timeoutMs: 60_000 },
    );
    await harness.tunnelOf(namespace, { agent: { replicas: 1 } });
    await eventually(
      'one is not',
      async () => {
        return (
          (await harness.client.get(podDisruptionBudgets, ref)) === undefined && (await replicas()) === 1
        );
      },
      { timeoutMs: 60_000 },
    );
  });

  it('runs one agent where the engine has no stable hostnames, and says so', async () => {
    const namespace = await harness.namespace();
    await Promise.all([harness.secret(namespace), harness.service(namespace)]);
    await harness.connection(namespace, { engine: '192.0.2.1:443' });
    const { metadata } = await harness.tunnelOf(namespace, { agent: { replicas: 3 } });
    const { base } = childrenOf({ metadata });
    await harness.available(namespace, base);
    const tunnel = await harness.reason(namespace, 'AgentReady', 'DeploymentAvailable');
    const said = tunnel.status?.conditions?.find(({ type }) => type === 'AgentReady')?.message;
    expect(said).to.include('one agent').and.include('stable hostnames');
    expect(tunnel.status).to.not.have.property('hostname');
    const text = JSON.stringify(await harness.client.get(deployments, { namespace, name: base }));
    expect(text).to.include('"replicas":1').and.include('"type":"Recreate"');
  });

  it('stops the agent of a suspended tunnel, and starts it again', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    const resolved = await harness.reason(namespace, 'Resolved', 'Resolved');
    const { base } = childrenOf(resolved);
    const deployment = () => harness.client.get(deployments, { namespace, name: base });
    await eventually('the Deployment is there', async () => (await deployment()) !== undefined);

    await harness.tunnelOf(namespace, { suspend: true });
    await harness.reason(namespace, 'Ready', 'Suspended');
    await eventually('the Deployment is gone', async () => (await deployment()) === undefined);
    await harness.tunnelOf(namespace, {});
    await eventually('the Deployment is back', async () => (await deployment()) !== undefined);
  });

  it('brings every valid spec as far as an agent', async () => {
    const namespace = await harness.namespace();
    await Promise.all([harness.secret(namespace), harness.connection(namespace)]);
    const metadata = { namespace, name: 'app' };
    const ports = ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 80, protocol }));
    const service: Loose = { metadata, spec: { ports } };
    await harness.put(services, service);
    const specs = tunnelCases.filter(({ refused }) => refused === undefined);
    const target = { service: { name: 'app', port: 80 } };
    const rest = { target, connectionRef: {} };
    await Promise.all(
      specs.map(
        async ({ spec }, index) => await harness.tunnelOf(namespace, { ...spec, ...rest }, `t${index}`),
      ),
    );
    const ends = await Promise.all(
      specs.map(async ({ title }, index) => {
        const tunnel = await eventually(
          `${title} is looked at`,
          async () => {
            const found = await harness.tunnel(namespace, `t${index}`);
            return found.status?.conditions?.some(({ type }) => type === 'Ready') ? found : undefined;
          },
          { timeoutMs: 90_000, everyMs: 200 },
        );
        const said = tunnel.status?.conditions?.map(({ type, status, reason, message }) => {
          return `${type}=${status}/${reason}: ${message}`;
        });
        return { title, said: said?.join('; ') ?? '' };
      }),
    );
    const isWell = /Accepted=True.*Resolved=True.*(DeploymentPending.*WaitingForDeployment|Suspended)/;
    expect(ends.filter(({ said }) => !isWell.test(said))).to.deep.equal([]);
    expect(ends.length).to.be.at.least(25);
  });
});
