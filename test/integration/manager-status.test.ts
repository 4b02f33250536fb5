// The status of a tunnel with several writers at once: each field keeps its owner's last word, an agent that vanished is
// found out, and Ready speaks of the generation that really runs.

import { expect } from 'chai';
import { AgentState } from '../../src/agent/state.ts';
import { StatusReporter } from '../../src/agent/status-reporter.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import type { Condition } from '../../src/api/conditions.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { events } from '../../src/kube/events.ts';
import { deployments, pods } from '../../src/kube/well-known.ts';
import { type CachedTunnel, cacheResource } from '../../src/manager/cached-tunnel.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { takeOver } from '../../src/manager/takeover-writer.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { childrenOf, type TunnelLike, tunnelResource } from '../support/rstream-resources.ts';
import { StatusHistory } from '../support/status-history.ts';

/** Each has a write of the agent and one of the manager, at least. */
const rounds = process.env.RSTREAM_TEST_FULL === '1' ? 500 : 50;

describe('the status of a tunnel', function () {
  this.timeout(600_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  let namespace: string;
  let tunnel: TunnelLike;
  let base: string;

  before(async () => {
    harness = await ManagerHarness.start({ extraArgs: ['--disable-admission-plugins=ServiceAccount'] });
    manager = await harness.manager();
  });
  after(async () => await harness?.stop());
  beforeEach(async () => {
    namespace = await harness.namespace();
    tunnel = await harness.world(namespace);
    ({ base } = childrenOf(tunnel));
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
  });

  const condition = (of: TunnelLike, type: string): Condition | undefined =>
    of.status?.conditions?.find((candidate) => candidate.type === type);
  const hashOf = async () => await harness.configHash(namespace, base);
  const pod = async (name: string, ready: boolean, hash: string) =>
    await harness.agentPod(tunnel, name, { ready, hash });

  it(`survives ${2 * rounds} writes of manager and agent in turn, each keeping to its own fields`, async () => {
    await harness.available(namespace, base);
    const hash = await harness.configHash(namespace, base);
    await harness.agentPod(tunnel, 'agent-1', { ready: true, hash });
    const state = new AgentState();
    const stop = new AbortController();
    const reporter = reporterOf(state, { podName: 'agent-1', uid: tunnel.metadata.uid ?? '' });
    const history = await StatusHistory.follow(harness.client, namespace, 'web');
    const running = reporter.run(stop.signal);
    const tell = (round: number) =>
      state.set(
        { kind: 'online', tunnelId: `t${round}`, forwardingAddress: `https://r${round}.test` },
        new Date(),
      );
    tell(0);
    await harness.reason(namespace, 'Ready', 'Ready');

    let generation = 0;
    for (let round = 1; round <= rounds; round += 1) {
      tell(round);
      const edited = await harness.tunnelOf(namespace, { tunnelName: `name-${round}` });
      generation = edited.metadata.generation ?? 0;
      await eventually(
        `both have written in round ${round}`,
        async () => {
          const { status } = await harness.tunnel(namespace);
          expect(status).to.include({ tunnelID: `t${round}`, observedGeneration: generation });
          return true;
        },
        { timeoutMs: 60_000, everyMs: 2 },
      );
    }
    const last = await eventually('both have had their last word', async () => {
      const live = await harness.tunnel(namespace);
      expect(condition(live, 'Ready')?.message).to.include(`https://r${rounds}.test`);
      return live;
    });
    stop.abort();
    await running;
    await history.upTo(last.metadata.resourceVersion ?? '');
    await history.stop();

    expect(last.status).to.deep.include({
      tunnelID: `t${rounds}`,
      forwardingAddress: `https://r${rounds}.test`,
      agentPod: 'agent-1',
      rstreamName: `name-${rounds}`,
      observedGeneration: generation,
    });
    expect(history.mixedWrites()).to.deep.equal([]);
    expect(history.strayTransitions()).to.deep.equal([]);
    expect(history.writesOf('agent')).to.be.at.least(rounds);
    expect(history.writesOf('manager')).to.be.at.least(rounds);
    // The Pod still carries the first configuration, and nobody may say otherwise.
    const spokenOf = new Set(history.values((version) => condition(version, 'Ready')?.observedGeneration));
    expect([...spokenOf].filter((value) => value !== undefined)).to.deep.equal([1]);
  });

  function reporterOf(
    state: AgentState,
    { podName, uid }: { readonly podName: string; readonly uid: string },
  ) {
    const target = new TargetHealth(() => reporter.targetChanged());
    const reporter: StatusReporter = new StatusReporter({
      client: harness.client,
      tunnel: { namespace, name: 'web', uid },
      podName,
      targetAddress: 'app:80',
      stableAddress: true,
      state,
      target,
      clock: systemClock,
      log: silentLogger,
    });
    return reporter;
  }

  it('turns TunnelReady Unknown when the Pod that held the tunnel is not ready, and lets the agent come back', async () => {
    await harness.available(namespace, base);
    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    await harness.reason(namespace, 'Ready', 'Ready');
    // No agent of the tunnel, whatever its name and its labels are.
    const elsewhere = { ...tunnel, metadata: { ...tunnel.metadata, namespace: await harness.namespace() } };
    await harness.agentPod(elsewhere, 'agent-1', { ready: true, hash: await hashOf() });
    await pod('agent-1', false, await hashOf());
    await harness.reason(namespace, 'TunnelReady', 'AgentUnavailable');
    await harness.reason(namespace, 'Ready', 'WaitingForTunnel');

    await pod('agent-1', true, await hashOf());
    await harness.agentSays(namespace, 'web', 'agent-1');
    await harness.reason(namespace, 'Ready', 'Ready');
    await eventually('its absence is told once', async () => {
      const { items } = await harness.client.list(events, { namespace });
      const told = items.filter(({ reason }) => reason === 'AgentUnavailable');
      expect(told.map(({ type, series }) => [type, series])).to.deep.equal([['Warning', undefined]]);
      return true;
    });
  });

  it('says the same through every try of a crash loop, in the words that the agent left', async () => {
    await pod('agent-1', false, await hashOf());
    const ended = (message: string) => ({
      terminated: {
        ...{ exitCode: 2, reason: 'Error', message, containerID: 'containerd://1' },
        ...{ startedAt: new Date(Date.now() - 1000).toISOString(), finishedAt: new Date().toISOString() },
      },
    });
    const tell = async (restartCount: number, state: object, lastState: object = {}) => {
      const of = { name: 'agent', image: 'agent:test', imageID: '', ready: false, restartCount };
      const path = '/status/containerStatuses';
      const replace = [{ op: 'add', path, value: [{ ...of, state, lastState }] }] as const;
      const options = { fieldManager: 'kubelet', subresource: 'status' };
      await harness.client.jsonPatch(pods, { namespace, name: 'agent-1' }, replace, options);
    };
    const backOff = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } };
    const quic = ended('transport.mode quic needs amd64');
    await tell(1, backOff, quic);
    const failed = await harness.reason(namespace, 'Ready', 'DeploymentFailed');
    expect(condition(failed, 'AgentReady')?.message).to.include('transport.mode quic needs amd64');

    const history = await StatusHistory.follow(harness.client, namespace, 'web');
    for (const restarts of [2, 3]) {
      await tell(restarts, { running: { startedAt: new Date().toISOString() } }, quic);
      await tell(restarts, quic, quic);
      await tell(restarts, backOff, quic);
    }
    await tell(3, backOff, ended('no such file'));
    const last = await eventually('the last words are shown', async () => {
      const live = await harness.tunnel(namespace);
      return condition(live, 'AgentReady')?.message.includes('no such file') ? live : undefined;
    });
    await history.upTo(last.metadata.resourceVersion ?? '');
    await history.stop();
    expect(history.writesOf('manager')).to.equal(1);
  });

  it('never takes over the word of an agent that has spoken since', async () => {
    await harness.agentSays(namespace, 'web', 'gone');
    const stale = cacheResource(await harness.tunnel(namespace)) as unknown as CachedTunnel;
    await harness.agentSays(namespace, 'web', 'agent-2');
    const clock = new ManualClock();
    const learned: CachedTunnel[] = [];
    const options = {
      client: harness.client,
      clock,
      takeovers: new TakeoverWatch(),
      pods: () => [],
      written: (seen: CachedTunnel) => learned.push(seen),
    };
    const { signal } = new AbortController();
    expect(await takeOver(options, stale, signal)).to.deep.equal({ requeueAfterMs: 10_000 });
    await clock.advance(10_000);
    expect(await takeOver(options, stale, signal)).to.deep.equal({ requeue: true });
    expect(learned.map(({ status }) => status?.agentPod)).to.deep.equal(['agent-2']);
    const live = await harness.tunnel(namespace);
    expect(condition(live, 'TunnelReady')).to.include({ status: 'True', reason: 'TunnelOnline' });
    expect(live.status?.agentPod).to.equal('agent-2');
  });

  it('is told once when the API server refuses it, and goes on when that is over', async () => {
    const name = 'crowded';
    const crowd = Array.from({ length: 32 }, (_, index) => ({
      type: `Other${index}`,
      status: 'True',
      reason: 'Other',
      message: 'of somebody else',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }));
    const set = async (conditions: readonly object[]) =>
      await harness.client.jsonPatch(
        tunnelResource,
        { namespace, name },
        [{ op: 'add', path: '/status', value: { conditions } }],
        { fieldManager: 'kubectl-edit', subresource: 'status' },
      );
    await manager.stop();
    await harness.tunnelOf(namespace, {}, name);
    await set(crowd);
    manager = await harness.manager();
    const told = async () =>
      (await harness.client.list(events, { namespace })).items.filter(
        ({ reason, regarding }) => reason === 'InvalidSpec' && regarding?.name === name,
      );
    await eventually('it is told', async () => (await told()).length > 0, {
      timeoutMs: 60_000,
      everyMs: 100,
    });
    expect((await told())[0]?.note).to.include('must have at most 32 items');
    await set(crowd.slice(0, 3));
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment', name);
    expect(await told()).to.have.length(1);
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
