// The status of a tunnel with several writers at once: each field keeps its owner's last word, an agent that vanished is
// found out, and Ready speaks of the generation that really runs.

import { expect } from 'chai';
import type { Condition } from '../../src/api/conditions.ts';
import { CONFIG_HASH_ANNOTATION, childLabels, childNames } from '../../src/api/names.ts';
import { deployments, pods } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { type Loose, ManagerHarness, type TunnelLike, tunnelResource } from '../support/manager-harness.ts';

const rounds = process.env.RSTREAM_TEST_FULL === '1' ? 1000 : 100;

describe('the status of a tunnel', function () {
  this.timeout(600_000);
  let harness: ManagerHarness;
  let namespace: string;
  let tunnel: TunnelLike;
  let base: string;

  before(async () => {
    harness = await ManagerHarness.start({ extraArgs: ['--disable-admission-plugins=ServiceAccount'] });
    await harness.manager();
  });
  after(async () => await harness?.stop());
  beforeEach(async () => {
    namespace = await harness.namespace();
    tunnel = await harness.world(namespace);
    ({ base } = childNames('web', tunnel.metadata.uid ?? ''));
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
  });

  const condition = (of: TunnelLike, type: string): Condition | undefined =>
    of.status?.conditions?.find((candidate) => candidate.type === type);
  const hashOf = async () =>
    /"rstream.io\/config-hash":"(\w+)"/.exec(
      JSON.stringify(await harness.client.get(deployments, { namespace, name: base })),
    )?.[1] ?? '';

  /** A Pod as the Deployment would make it, ready or not. */
  async function pod(name: string, ready: boolean, hash: string): Promise<void> {
    const labels = childLabels({ name: 'web', namespace, uid: tunnel.metadata.uid ?? '' }, 'agent');
    const metadata = { namespace, name, labels, annotations: { [CONFIG_HASH_ANNOTATION]: hash } };
    const spec = { containers: [{ name: 'agent', image: 'agent:test' }], nodeName: 'nowhere' };
    const object: Loose = { metadata, spec };
    await harness.put(pods, object);
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
    const options = { fieldManager: 'kubelet', subresource: 'status' };
    await harness.client.mergePatch(pods, { namespace, name }, { status }, options);
  }

  it(`survives ${rounds} interleaved writes of manager and agent`, async () => {
    await harness.available(namespace, base);
    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    const online = await harness.reason(namespace, 'Ready', 'Ready');

    for (let round = 1; round <= rounds; round += 1) {
      const status = {
        conditions: [{ ...condition(online, 'TunnelReady'), message: `round ${round}` }],
        agentPod: 'agent-1',
        tunnelID: `t${round}`,
        forwardingAddress: `https://r${round}.example`,
      };
      const said: Loose = { metadata: { namespace, name: 'web' }, status };
      await harness.client.applyStatus(tunnelResource, said, { fieldManager: 'rstream-agent' });
    }
    const last = await eventually('both have had their last word', async () => {
      const live = await harness.tunnel(namespace);
      expect(condition(live, 'Ready')?.message).to.equal(`round ${rounds}`);
      return live;
    });
    expect(condition(last, 'TunnelReady')?.message).to.equal(`round ${rounds}`);
    expect(last.status).to.include({
      tunnelID: `t${rounds}`,
      forwardingAddress: `https://r${rounds}.example`,
    });
    for (const type of ['Accepted', 'Resolved', 'TunnelReady', 'Ready']) {
      const before = condition(online, type)?.lastTransitionTime;
      expect(condition(last, type)?.lastTransitionTime, type).to.equal(before);
    }
  });

  it('turns TunnelReady Unknown when the Pod that held the tunnel is not ready, and lets the agent come back', async () => {
    await harness.available(namespace, base);
    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    await harness.reason(namespace, 'Ready', 'Ready');
    await pod('agent-1', false, await hashOf());
    await harness.reason(namespace, 'TunnelReady', 'AgentUnavailable');
    await harness.reason(namespace, 'Ready', 'WaitingForTunnel');

    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    await harness.reason(namespace, 'Ready', 'Ready');
  });

  it('keeps Ready with the old generation while a handover is under way', async () => {
    await harness.available(namespace, base);
    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    const first = await harness.reason(namespace, 'Ready', 'Ready');
    const generation = first.metadata.generation ?? 0;

    await harness.tunnelOf(namespace, { labels: { color: 'blue' } });
    await harness.reason(namespace, 'Reconciling', 'RolloutInProgress');
    const live = await harness.client.get(deployments, { namespace, name: base });
    const surge = {
      observedGeneration: live?.metadata.generation,
      replicas: 2,
      updatedReplicas: 1,
      readyReplicas: 2,
      availableReplicas: 2,
    };
    const options = { fieldManager: 'kube-controller-manager', subresource: 'status' };
    await harness.client.mergePatch(deployments, { namespace, name: base }, { status: surge }, options);
    const during = await harness.reason(namespace, 'Ready', 'Ready');
    expect(during.status?.observedGeneration).to.equal(generation + 1);
    expect(condition(during, 'Ready')?.observedGeneration).to.equal(generation);

    await pod('agent-2', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-2');
    await harness.available(namespace, base);
    await eventually('Ready speaks of the new generation', async () => {
      const after = await harness.tunnel(namespace);
      expect(condition(after, 'Ready')?.observedGeneration).to.equal(generation + 1);
      expect(condition(after, 'Reconciling')).to.equal(undefined);
      return true;
    });
  });
});
