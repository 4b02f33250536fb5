// Moving from rstream's Go operator: what it wrote by Update becomes ours, without a second Deployment, without stale
// fields, with the same hostname, and without its finalizer. And deletion, which nothing of ours can hold up.

import { expect } from 'chai';
import { childLabels, childNames, type TunnelIdentity } from '../../src/api/names.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { configMaps, deployments } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { type Loose, ManagerHarness, tunnelResource } from '../support/manager-harness.ts';

const go = { fieldManager: 'manager' };
const finalizer = 'tunnels.rstream.io/finalizer';

describe('the manager after the Go operator', function () {
  this.timeout(180_000);
  let harness: ManagerHarness;

  before(async () => {
    harness = await ManagerHarness.start({ controllerManager: true });
  });
  after(async () => await harness?.stop());

  it('adopts its children, its status and its hostname', async () => {
    const namespace = await harness.namespace();
    const tunnel = await harness.world(namespace);
    const identity = { name: 'web', namespace, uid: tunnel.metadata.uid ?? '' };
    const { base, config } = childNames('web', identity.uid);
    await harness.client.create(configMaps, goConfigMap(identity), go);
    const old = await harness.client.create(deployments, goDeployment(identity), go);
    await goStatus(namespace);

    await harness.manager();
    const adopted = await harness.reason(namespace, 'Accepted', 'Accepted');
    await eventually('everything is ours', async () => {
      const live = await harness.client.get(deployments, { namespace, name: base });
      const text = JSON.stringify(live);
      expect(live?.metadata.uid).to.equal(old.metadata.uid);
      expect(text).to.not.include('STALE_ENV');
      expect(text).to.include('rstream.io/applied-hash');
      const map = await harness.client.get(configMaps, { namespace, name: config });
      expect(map?.data?.['config.yaml']).to.include('hostname: r0badcafe-p1.t.edge.example.com');
      const after = await harness.tunnel(namespace);
      expect(after.metadata.finalizers ?? []).to.deep.equal([]);
      expect(after.status?.hostname).to.equal('r0badcafe-p1.t.edge.example.com');
      const types = after.status?.conditions?.map(({ type }) => type) ?? [];
      expect(types).to.include.members(['Accepted', 'Resolved', 'AgentReady', 'Ready', 'TunnelReady']);
      expect(types).to.not.include('Progressing');
      return true;
    });
    expect(adopted.status).to.include({ tunnelID: 'go-1' });
    expect((await harness.client.list(deployments, { namespace })).items).to.have.length(1);
    const managers = (object: KubeObject | undefined) =>
      object?.metadata.managedFields?.map(({ manager }) => manager);
    expect(managers(await harness.client.get(deployments, { namespace, name: base }))).to.not.include(
      'manager',
    );
  });

  it('lets go of tunnels and namespaces at once', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    const withFinalizer = { metadata: { finalizers: [finalizer] } };
    await harness.client.mergePatch(tunnelResource, { namespace, name: 'web' }, withFinalizer, go);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await harness.client.delete(tunnelResource, { namespace, name: 'web' });
    await eventually(
      'the tunnel and its children are gone',
      async () => {
        expect(await harness.client.get(tunnelResource, { namespace, name: 'web' })).to.equal(undefined);
        const left = await harness.server.kubectl([
          ...['-n', namespace, 'get', 'deployment,configmap,role,rolebinding,serviceaccount', '-o', 'name'],
          ...['-l', 'rstream.io/tunnel-uid'],
        ]);
        return left === '';
      },
      { timeoutMs: 60_000, everyMs: 200 },
    );

    await harness.tunnelOf(namespace, {}, 'other');
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment', 'other');
    await harness.server.kubectl(['delete', 'namespace', namespace, '--wait', '--timeout=60s']);
  });

  async function goStatus(namespace: string): Promise<void> {
    const ref = { namespace, name: 'web' };
    const condition = (type: string, status: string) => ({
      type,
      status,
      reason: 'Go',
      message: 'written by the Go operator',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    const conditions = [
      condition('Accepted', 'True'),
      condition('TunnelReady', 'True'),
      condition('Progressing', 'True'),
    ];
    const status = {
      conditions,
      hostname: 'r0badcafe-p1.t.edge.example.com',
      tunnelID: 'go-1',
      rstreamName: 'old',
    };
    await harness.client.mergePatch(tunnelResource, ref, { status }, { ...go, subresource: 'status' });
    await harness.client.mergePatch(tunnelResource, ref, { metadata: { finalizers: [finalizer] } }, go);
  }
});

function metadataOf(identity: TunnelIdentity, name: string, component: 'agent' | 'config') {
  const owner = { apiVersion: 'tunnels.rstream.io/v1alpha1', kind: 'RstreamTunnel', name: identity.name };
  return {
    name,
    namespace: identity.namespace,
    labels: childLabels(identity, component),
    ownerReferences: [{ ...owner, uid: identity.uid, controller: true, blockOwnerDeletion: true }],
  };
}

function goConfigMap(identity: TunnelIdentity): Loose {
  const text = [
    'connection: {engine: "p1.edge.example.com:443"}',
    'tunnel: {name: old, hostname: r0badcafe-p1.t.edge.example.com}',
    'target: {host: app, port: "80"}',
  ].join('\n');
  const { config } = childNames(identity.name, identity.uid);
  return { metadata: metadataOf(identity, config, 'config'), data: { 'config.yaml': `${text}\n` } };
}

function goDeployment(identity: TunnelIdentity): Loose {
  const labels = childLabels(identity, 'agent');
  const env = [{ name: 'STALE_ENV', value: 'x' }];
  const container = { name: 'agent', image: 'ghcr.io/rstreamlabs/rstream-agent:v0.5.2', env };
  return {
    metadata: metadataOf(identity, childNames(identity.name, identity.uid).base, 'agent'),
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
}
