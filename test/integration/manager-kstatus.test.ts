// What deployment tools make of our status: kstatus and `kubectl wait` read every state of both resources right.

import { expect } from 'chai';
import type { Condition } from '../../src/api/conditions.ts';
import { eventually } from '../support/eventually.ts';
import { buildKstatus, kstatus, type Verdict } from '../support/kstatus.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import {
  childrenOf,
  connectionResource,
  type Loose,
  type TunnelLike,
  tunnelResource,
} from '../support/rstream-resources.ts';

const rejected = (code: number) => ({
  status: 'False',
  reason: 'TunnelRejected',
  message: `the engine refused: no (code ${code})`,
});

interface State {
  readonly what: string;
  readonly kstatus: Verdict['status'];
  /** Whether `kubectl wait --for=condition=Ready` and `--for=condition=Stalled` are satisfied. */
  readonly ready?: boolean;
  readonly stalled?: boolean;
  /** Brings web in this namespace into the state. */
  readonly reach: (namespace: string) => Promise<unknown>;
}

describe('kstatus and kubectl wait', function () {
  this.timeout(400_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;

  before(async () => {
    await buildKstatus();
    harness = await ManagerHarness.start({ extraArgs: ['--disable-admission-plugins=ServiceAccount'] });
    manager = await harness.manager(['--allowed-agent-images', 'registry.example/*']);
  });
  after(async () => await harness?.stop());

  /** Rolled out and available, nobody having spoken. */
  async function available(namespace: string): Promise<TunnelLike> {
    const tunnel = await harness.world(namespace);
    await harness.available(namespace, childrenOf(tunnel).base);
    return await harness.reason(namespace, 'AgentReady', 'DeploymentAvailable');
  }

  async function online(namespace: string): Promise<TunnelLike> {
    const tunnel = await available(namespace);
    const hash = await harness.configHash(namespace, childrenOf(tunnel).base);
    await harness.agentPod(tunnel, 'agent-1', { ready: true, hash });
    await harness.agentSays(namespace, 'web', 'agent-1');
    return await harness.reason(namespace, 'Ready', 'Ready');
  }

  async function refused(namespace: string, code: number): Promise<void> {
    const tunnel = await harness.world(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const hash = await harness.configHash(namespace, childrenOf(tunnel).base);
    await harness.agentPod(tunnel, 'agent-1', { ready: false, hash });
    await harness.agentSays(namespace, 'web', undefined, rejected(code));
    await harness.reason(namespace, 'Ready', 'TunnelRejected');
  }

  const states: readonly State[] = [
    {
      what: 'that lacks its connection',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        await harness.tunnelOf(namespace);
        await harness.reason(namespace, 'Ready', 'ConnectionMissing');
      },
    },
    {
      what: 'that is being deployed',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        await harness.world(namespace);
        await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
      },
    },
    { what: 'whose agent has not spoken', kstatus: 'InProgress', reach: available },
    { what: 'that is online', kstatus: 'Current', ready: true, reach: online },
    {
      what: 'that lost its Service after it was online',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        await online(namespace);
        await harness.tunnelOf(namespace, { target: { service: { name: 'gone', port: 80 } } });
        await harness.reason(namespace, 'Ready', 'ServiceMissing');
      },
    },
    {
      what: 'in a handover',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        const tunnel = await online(namespace);
        await harness.tunnelOf(namespace, { labels: { color: 'blue' } });
        await harness.reason(namespace, 'Reconciling', 'RolloutInProgress');
        expect(ready(await harness.tunnel(namespace))).to.include({ status: 'True' });
        expect(ready(await harness.tunnel(namespace))?.observedGeneration).to.equal(
          tunnel.metadata.generation,
        );
      },
    },
    {
      what: 'that is suspended',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        await harness.world(namespace, { suspend: true });
        await harness.reason(namespace, 'Ready', 'Suspended');
      },
    },
    {
      what: 'whose spec cannot work',
      kstatus: 'Failed',
      stalled: true,
      reach: async (namespace) => {
        await harness.world(namespace, { agent: { image: 'evil.example/agent' } });
        await harness.reason(namespace, 'Stalled', 'InvalidSpec');
      },
    },
    {
      what: 'that may not refer to its Service',
      kstatus: 'Failed',
      stalled: true,
      reach: async (namespace) => {
        await harness.world(namespace, {
          target: { service: { name: 'app', port: 80, namespace: 'default' } },
        });
        await harness.reason(namespace, 'Stalled', 'RefNotPermitted');
      },
    },
    {
      what: 'whose agent is refused by the API server',
      kstatus: 'Failed',
      stalled: true,
      reach: async (namespace) => {
        await harness.world(namespace, { agent: { nodeSelector: { 'not a label': 'x' } } });
        await harness.reason(namespace, 'Stalled', 'DeploymentFailed');
      },
    },
    {
      what: 'that the engine refuses',
      kstatus: 'Failed',
      stalled: true,
      reach: async (namespace) => {
        await refused(namespace, 2000);
        await harness.reason(namespace, 'Stalled', 'TunnelRejected');
      },
    },
    {
      what: 'that the engine has no room for now',
      kstatus: 'InProgress',
      reach: async (namespace) => await refused(namespace, 7000),
    },
    {
      what: 'whose agent vanished',
      kstatus: 'InProgress',
      reach: async (namespace) => {
        await available(namespace);
        await harness.agentSays(namespace, 'web', 'nobody');
        await harness.reason(namespace, 'TunnelReady', 'AgentUnavailable');
        await harness.reason(namespace, 'Ready', 'WaitingForTunnel');
      },
    },
    {
      what: 'that is being deleted',
      kstatus: 'Terminating',
      reach: async (namespace) => {
        await online(namespace);
        const held = { metadata: { finalizers: ['example.com/held'] } };
        await harness.client.mergePatch(tunnelResource, { namespace, name: 'web' }, held, {
          fieldManager: 'test',
        });
        await harness.client.delete(tunnelResource, { namespace, name: 'web' });
      },
    },
  ];

  /** Whether it is satisfied right now. */
  async function waits(namespace: string, condition: string): Promise<boolean> {
    const args = [
      'wait',
      '-n',
      namespace,
      'rstreamtunnel/web',
      `--for=condition=${condition}`,
      '--timeout=0',
    ];
    return await harness.server.kubectl(args).then(
      () => true,
      () => false,
    );
  }

  it('read every state of a tunnel right', async () => {
    const seen = await Promise.all(
      states.map(async ({ reach }) => {
        const namespace = await harness.namespace();
        await reach(namespace);
        return await harness.tunnel(namespace);
      }),
    );
    const verdicts = await kstatus(seen);
    for (const [index, state] of states.entries()) {
      const what = `a tunnel ${state.what}: ${JSON.stringify(seen[index]?.status?.conditions)}`;
      const namespace = seen[index]?.metadata.namespace ?? '';
      expect(verdicts[index]?.status, what).to.equal(state.kstatus);
      expect(await waits(namespace, 'Ready'), what).to.equal(state.ready ?? false);
      expect(await waits(namespace, 'Stalled'), what).to.equal(state.stalled ?? false);
    }
  });

  it('read a connection right', async () => {
    const namespace = await harness.namespace();
    const connection = async (reason: string) =>
      await eventually(`the connection is ${reason}`, async () => {
        const found = await harness.client.get(connectionResource, { namespace, name: 'default' });
        return ready(found)?.reason === reason ? found : undefined;
      });
    await harness.connection(namespace);
    const missing = await connection('SecretMissing');
    await harness.secret(namespace);
    const verdicts = await kstatus([missing, await connection('Ready')]);
    expect(verdicts.map(({ status }) => status)).to.deep.equal(['InProgress', 'Current']);
  });

  it('do not take what nobody has looked at yet for done', async () => {
    const namespace = await harness.namespace();
    await online(namespace);
    await manager.stop();
    await harness.tunnelOf(namespace, { tunnelName: 'another' });
    const object: Loose = {
      metadata: { namespace, name: 'new' },
      spec: { target: { service: { name: 'a', port: 1 } } },
    };
    const fresh = [
      await harness.put(tunnelResource, object),
      await harness.client.apply(
        connectionResource,
        {
          metadata: { namespace, name: 'new' },
          spec: { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } },
        } as Loose,
        { fieldManager: 'test' },
      ),
      await harness.tunnel(namespace),
    ];
    expect((await kstatus(fresh)).map(({ status }) => status)).to.deep.equal([
      'InProgress',
      'InProgress',
      'InProgress',
    ]);
    expect(await waits(namespace, 'Ready')).to.equal(false);
  });
});

function ready(object: TunnelLike | undefined): Condition | undefined {
  return object?.status?.conditions?.find(({ type }) => type === 'Ready');
}
