// The agent's status reports on a real API server: who may write, what survives, and what is never written.

import { expect } from 'chai';
import { AgentState } from '../../src/agent/state.ts';
import type { AgentStatus } from '../../src/agent/status.ts';
import { StatusReporter } from '../../src/agent/status-reporter.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { RSTREAM_TUNNEL } from '../../src/api/group.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { resource } from '../../src/kube/resource.ts';
import { installCrds } from '../support/crds.ts';
import { eventually } from '../support/eventually.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient } from '../support/kube-client.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

interface Tunnel extends KubeObject {
  readonly status?: AgentStatus & { readonly target?: string };
}

const tunnels = resource<Tunnel>(RSTREAM_TUNNEL);
const full = process.env.RSTREAM_TEST_FULL === '1';
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

describe("the agent's status reports", function () {
  this.timeout(full ? 600_000 : 120_000);
  let server: KubeApiserver;
  let client: KubeClient;
  let namespace: string;
  let stops: AbortController[] = [];

  before(async () => {
    server = await sharedKubeApiserver();
    await installCrds(server);
    client = adminClient(server);
  });
  beforeEach(async () => {
    namespace = await server.createNamespace();
    await createTunnel();
  });
  afterEach(() => {
    for (const stop of stops) stop.abort();
    stops = [];
  });
  after(() => client.close());

  async function createTunnel(): Promise<void> {
    const manifest = {
      metadata: { name: 'web', namespace },
      spec: { target: { service: { name: 'web', port: 80 } } },
    };
    await client.create(tunnels, manifest, { fieldManager: 'test' });
  }

  const live = () => client.get(tunnels, { namespace, name: 'web' });

  async function agent(podName: string, uid?: string) {
    const state = new AgentState();
    const target = new TargetHealth(() => reporter.targetChanged());
    const stop = new AbortController();
    stops.push(stop);
    const reporter: StatusReporter = new StatusReporter({
      client,
      tunnel: { namespace, name: 'web', uid: uid ?? (await live())?.metadata.uid },
      podName,
      targetAddress: `web.${namespace}.svc:80`,
      stableAddress: true,
      state,
      target,
      clock: systemClock,
      log: silentLogger,
    });
    const running = reporter.run(stop.signal);
    const online = (tunnelId: string) =>
      state.set({ kind: 'online', tunnelId, forwardingAddress: 'https://web.test' }, at(1));
    return { state, target, stop, running, online, reporter };
  }

  const ready = async () => (await live())?.status?.conditions?.find(({ type }) => type === 'TunnelReady');

  it('says connecting, then online, then why it is not', async () => {
    const { state, online } = await agent('a');
    await eventually('connecting is written', async () => (await ready())?.reason === 'TunnelConnecting');
    online('t1');
    await eventually('online is written', async () => (await ready())?.reason === 'TunnelOnline');
    expect((await live())?.status).to.include({
      agentPod: 'a',
      tunnelID: 't1',
      forwardingAddress: 'https://web.test',
    });
    state.set({ kind: 'disconnected', problem: { code: 'E', message: 'line cut' } }, at(2));
    await eventually('disconnected is written', async () => (await ready())?.reason === 'TunnelDisconnected');
    expect((await live())?.status?.lastError).to.equal('2026-01-01T00:00:02Z E line cut');
  });

  it('leaves the fields and conditions of the manager alone', async () => {
    const condition = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'm',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const manifest = {
      metadata: { name: 'web', namespace },
      status: { target: 'web:80', conditions: [condition] },
    };
    await client.applyStatus(tunnels, manifest, { fieldManager: 'rstream-operator', force: true });
    (await agent('a')).online('t1');
    await eventually('online is written', async () => (await ready())?.status === 'True');
    const status = (await live())?.status;
    expect(status?.target).to.equal('web:80');
    expect(status?.conditions?.find(({ type }) => type === 'Accepted')).to.deep.equal(condition);
  });

  it('never writes over another Pod that is online', async () => {
    (await agent('owner')).online('t1');
    await eventually('the owner is online', async () => (await ready())?.status === 'True');
    const before = await live();
    const other = await agent('other');
    const owner = await other.reporter.live(new AbortController().signal);
    expect(owner).to.deep.equal({ tunnelReady: true, agentPod: 'owner' });
    other.state.set({ kind: 'rejected', problem: { code: '2000', message: 'no' } }, at(3));
    await other.reporter.live(new AbortController().signal);
    other.online('t2');
    await eventually('the other one takes over', async () => (await live())?.status?.agentPod === 'other');
    const after = await live();
    expect(after?.status?.lastError).to.equal('2026-01-01T00:00:03Z 2000 no');
    expect((await ready())?.lastTransitionTime).to.equal(
      before?.status?.conditions?.find(({ type }) => type === 'TunnelReady')?.lastTransitionTime,
    );
  });

  it('writes nothing onto a tunnel made anew under its name', async () => {
    const { online, reporter } = await agent('a', '00000000-0000-0000-0000-000000000000');
    online('t1');
    expect(await reporter.live(new AbortController().signal)).to.equal(undefined);
    (await agent('b')).online('t2');
    await eventually('the right agent is online', async () => (await ready())?.status === 'True');
    expect((await live())?.status?.agentPod).to.equal('b');
  });

  it('writes nothing after it was told to stop', async () => {
    const { online, stop, running, state } = await agent('a');
    online('t1');
    await eventually('online is written', async () => (await ready())?.status === 'True');
    stop.abort();
    await running;
    state.set({ kind: 'stopping' }, at(4));
    expect((await ready())?.status).to.equal('True');
  });

  it('reports an unreachable target once, and that it is back', async () => {
    const { online, target } = await agent('a');
    online('t1');
    for (let dial = 0; dial < 5; dial += 1) target.failed('web refused');
    const reachable = async () =>
      (await live())?.status?.conditions?.find(({ type }) => type === 'TargetReachable');
    await eventually('it is unreachable', async () => (await reachable())?.reason === 'TargetUnreachable');
    expect((await reachable())?.message).to.equal('web refused');
  });

  it('gets through while others write at the same time', async () => {
    const { online } = await agent('a');
    const rounds = full ? 500 : 50;
    for (let round = 0; round < rounds; round += 1) {
      online(`t${round}`);
      const manifest = {
        metadata: { name: 'web', namespace },
        status: { target: `web:${round}` },
      };
      await client.applyStatus(tunnels, manifest, { fieldManager: 'rstream-operator', force: true });
    }
    const last = `t${rounds - 1}`;
    const status = await eventually('the last word stands', async () => {
      const now = (await live())?.status;
      return now?.tunnelID === last ? now : undefined;
    });
    expect(status.target).to.equal(`web:${rounds - 1}`);
  });
});
