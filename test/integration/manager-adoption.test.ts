// Moving from rstream's Go operator: what it wrote by Update becomes ours, without a second Deployment, without stale
// fields, with the same hostname, and without its finalizer.

import { expect } from 'chai';
import { childNames, type TunnelIdentity } from '../../src/api/names.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { configMaps, deployments, roleBindings, roles, serviceAccounts } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { GO_MANAGER, leaveBlockedTunnel, leaveGoOperator } from '../support/go-operator.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import {
  connectionResource,
  type Loose,
  type TunnelLike,
  tunnelResource,
} from '../support/rstream-resources.ts';

const patience = { timeoutMs: 60_000, everyMs: 100 };
const hostname = 'r0badcafe-p1.t.edge.example.com';

describe('the manager after the Go operator', function () {
  this.timeout(240_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  let identity: TunnelIdentity;
  let left: ReadonlyMap<string, KubeObject>;
  /** Where a tunnel was left without a connection. */
  let elsewhere: string;

  before(async () => {
    harness = await ManagerHarness.start();
    const namespace = await harness.namespace();
    identity = await leaveGoOperator(harness, namespace);
    left = await children(identity);
    elsewhere = await harness.namespace();
    await leaveBlockedTunnel(harness, elsewhere);
    manager = await harness.manager();
    await eventually(
      'everything is ours',
      async () => {
        for (const object of (await children(identity)).values()) {
          expect(managersOf(object), object.metadata.name)
            .to.include('rstream-operator')
            .and.not.include(GO_MANAGER);
        }
        const { metadata, status } = await harness.tunnel(namespace);
        expect(metadata.finalizers ?? []).to.deep.equal([]);
        expect(status?.conditions?.find(({ type }) => type === 'Reconciling')?.reason).to.equal(
          'RolloutInProgress',
        );
        return true;
      },
      patience,
    );
  });
  after(async () => await harness?.stop());

  async function children({
    namespace,
    name,
    uid,
  }: TunnelIdentity): Promise<ReadonlyMap<string, KubeObject>> {
    const { base, config } = childNames(name, uid);
    const get = async (resource: Resource, child: string): Promise<[string, KubeObject]> => {
      const found = await harness.client.get(resource, { namespace, name: child });
      if (found === undefined) throw new Error(`there is no ${resource.kind} ${child}`);
      return [resource.kind, found];
    };
    const named = [serviceAccounts, roles, roleBindings, deployments].map(
      async (kind) => await get(kind, base),
    );
    return new Map([await get(configMaps, config), ...(await Promise.all(named))]);
  }

  it('keeps each child, and makes no second one', async () => {
    for (const [kind, object] of await children(identity)) {
      expect(object.metadata.uid, kind).to.equal(left.get(kind)?.metadata.uid);
    }
    const { namespace } = identity;
    expect((await harness.client.list(deployments, { namespace })).items).to.have.length(1);
    expect((await harness.client.list(roles, { namespace })).items).to.have.length(1);
  });

  it('leaves nothing of what they were: they equal those of a tunnel that was always ours', async () => {
    const namespace = await harness.namespace();
    const { metadata } = await harness.world(namespace, { hostname });
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const fresh = { name: 'web', namespace, uid: metadata.uid ?? '' };
    const wanted = await children(fresh);
    for (const [kind, object] of await children(identity)) {
      expect(plain(object, identity), kind).to.deep.equal(plain(wanted.get(kind), fresh));
    }
  });

  it('keeps the hostname, and tells it', async () => {
    expect((await harness.tunnel(identity.namespace)).status?.hostname).to.equal(hostname);
  });

  it('takes over the status of tunnel and connection, without what is stale', async () => {
    const { namespace } = identity;
    const connection = await harness.client.get(connectionResource, { namespace, name: 'default' });
    expect(connection?.status)
      .to.include({ engine: 'p1.edge.example.com:443' })
      .and.not.have.property('apiURL');
    expect(managersOf(connection)).to.not.include(GO_MANAGER);
    const tunnel = await harness.tunnel(namespace);
    expect(managersOf(tunnel)).to.have.members(['test', 'rstream-operator', 'rstream-agent']);
    expect(tunnel.status).to.include({ tunnelID: 'go-1', rstreamName: `${namespace}-web` });
  });

  it('lets our agent replace every word of the Go agent, also of one that still speaks', async () => {
    const { namespace } = identity;
    const ref = { namespace, name: 'web' };
    const generation = async () => tunnelReady(await harness.tunnel(namespace))?.observedGeneration;
    expect(await generation(), 'what the Go agent left').to.equal(1);
    const said = {
      ...tunnelReady(await harness.tunnel(namespace)),
      message: 'said later',
      observedGeneration: 7,
    };
    const conditions = (await harness.tunnel(namespace)).status?.conditions ?? [];
    const status = {
      forwardingAddress: 'https://later.example',
      conditions: conditions.map((condition) => (condition.type === 'TunnelReady' ? said : condition)),
    };
    const goAgent = { fieldManager: 'rstream-agent', subresource: 'status' };
    await harness.client.mergePatch(tunnelResource, ref, { status }, goAgent);
    await eventually(
      'the manager has taken that over too',
      async () => {
        const entries = (await harness.tunnel(namespace)).metadata.managedFields ?? [];
        return !entries.some(
          ({ manager: by, operation }) => by === 'rstream-agent' && operation === 'Update',
        );
      },
      patience,
    );

    await harness.agentSays(namespace, 'web', 'agent-1');
    expect(await generation()).to.equal(undefined);
    const { observedGeneration: _, ...lost } = { ...said, status: 'False', reason: 'TunnelDisconnected' };
    const last: Loose = { metadata: ref, status: { conditions: [lost] } };
    await harness.client.applyStatus(tunnelResource, last, { fieldManager: 'rstream-agent' });
    expect((await harness.tunnel(namespace)).status).to.not.have.any.keys(
      'tunnelID',
      'forwardingAddress',
      'agentPod',
    );
  });

  it('writes nothing more once all is ours, and after a restart', async () => {
    const word = { status: 'False', reason: 'TunnelDisconnected', message: 'the line was cut' };
    await harness.agentSays(identity.namespace, 'web', undefined, word);
    await harness.reason(identity.namespace, 'Ready', 'WaitingForTunnel');
    let written = -1;
    await eventually(
      'the manager is quiet',
      async () => {
        const before = written;
        written = await manager.writes();
        return written === before;
      },
      { timeoutMs: 60_000, everyMs: 1_000 },
    );
    await manager.stop();
    manager = await harness.manager();
    await eventually(
      'it has looked at both tunnels',
      async () => {
        const done = /controller_runtime_reconcile_total\{[^}]*rstreamtunnel[^}]*success[^}]*\} (\d+)/;
        return Number(done.exec(await manager.metrics())?.[1] ?? 0) >= 2;
      },
      patience,
    );
    expect(await manager.writes()).to.equal(0);
  });

  it('takes over a tunnel that was left without a connection, and runs it once there is one', async () => {
    const blocked = await harness.reason(elsewhere, 'Resolved', 'ConnectionMissing');
    expect(blocked.status?.conditions?.find(({ type }) => type === 'Accepted')?.status).to.equal('True');
    expect(blocked.metadata.finalizers ?? []).to.deep.equal([]);
    expect(managersOf(blocked)).to.not.include(GO_MANAGER);

    await Promise.all([harness.secret(elsewhere), harness.service(elsewhere), harness.connection(elsewhere)]);
    await harness.reason(elsewhere, 'Ready', 'WaitingForDeployment');
    expect((await harness.client.list(deployments, { namespace: elsewhere })).items).to.have.length(1);
  });

  it('lets go of tunnels that still carry the finalizer', async () => {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    const held = { metadata: { finalizers: ['tunnels.rstream.io/finalizer', 'example.com/other'] } };
    const go = { fieldManager: GO_MANAGER };
    await harness.client.mergePatch(tunnelResource, { namespace, name: 'web' }, held, go);
    await harness.client.delete(tunnelResource, { namespace, name: 'web' });
    await eventually(
      "only another's finalizer is left",
      async () => {
        const finalizers = (await harness.client.get(tunnelResource, { namespace, name: 'web' }))?.metadata
          .finalizers;
        expect(finalizers).to.deep.equal(['example.com/other']);
        return true;
      },
      patience,
    );
  });
});

function managersOf(object: KubeObject | undefined): readonly string[] {
  return [...new Set(object?.metadata.managedFields?.map(({ manager }) => manager ?? ''))];
}

function tunnelReady(tunnel: TunnelLike) {
  return tunnel.status?.conditions?.find(({ type }) => type === 'TunnelReady');
}

/** An object without what differs from one tunnel to the next, and without what the API server counts. */
function plain(object: KubeObject | undefined, { namespace, uid, name }: TunnelIdentity): unknown {
  const { status: _, metadata, ...rest } = { status: undefined, ...object };
  const { labels, annotations, ownerReferences } = metadata ?? {};
  const { base } = childNames(name, uid);
  const text = JSON.stringify({ ...rest, labels, annotations, ownerReferences })
    .replaceAll(namespace, 'NAMESPACE')
    .replaceAll(uid, 'UID')
    .replaceAll(base, 'BASE')
    .replaceAll(/"(rstream\.io\/\w+-hash|deployment\.kubernetes\.io\/revision)":"\w+"/g, '"$1":"HASH"');
  return JSON.parse(text);
}
