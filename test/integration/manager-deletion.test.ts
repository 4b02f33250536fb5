// Deletion in every order, with the garbage collector of a real controller-manager: nothing of ours holds anything up, and
// nothing is left behind.

import { expect } from 'chai';
import { installCrds } from '../support/crds.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { connectionResource, tunnelResource } from '../support/rstream-resources.ts';

const kinds = 'deployment,replicaset,pod,configmap,serviceaccount,role,rolebinding,poddisruptionbudget';
const patience = { timeoutMs: 60_000, everyMs: 200 };

describe('deleting', function () {
  this.timeout(300_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  let namespace: string;

  before(async () => {
    harness = await ManagerHarness.start({ controllerManager: true });
    manager = await harness.manager();
  });
  after(async () => await harness?.stop());

  beforeEach(async () => {
    namespace = await harness.namespace();
    await harness.world(namespace, { hostname: 'web.example.com', agent: { replicas: 2 } });
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await eventually(
      'the agent has everything, down to its Pods',
      async () => {
        const all = (await children()).map((name) => name.split('/')[0]);
        expect(new Set(all).size).to.equal(8);
        return true;
      },
      patience,
    );
  });

  /** `kind/name` of everything that was made for a tunnel. */
  async function children(): Promise<readonly string[]> {
    const list = ['-n', namespace, 'get', kinds, '-l', 'rstream.io/tunnel-uid', '-o', 'name'];
    return (await harness.server.kubectl(list)).split('\n').filter((line) => line !== '');
  }

  async function gone(): Promise<void> {
    await eventually(
      'the children are gone',
      async () => {
        expect(await children()).to.deep.equal([]);
        return true;
      },
      patience,
    );
  }

  it('a tunnel takes its children along', async () => {
    expect(await harness.client.delete(tunnelResource, { namespace, name: 'web' })).to.equal(true);
    expect(await harness.client.get(tunnelResource, { namespace, name: 'web' })).to.equal(undefined);
    await gone();
  });

  it('a tunnel in the foreground takes them along too, and the manager makes none again meanwhile', async () => {
    const wait = ['--cascade=foreground', '--wait', '--timeout=60s'];
    await harness.server.kubectl(['delete', 'rstreamtunnel', 'web', '-n', namespace, ...wait]);
    await gone();
  });

  it('a connection leaves its tunnels running, and they can go later', async () => {
    const before = await children();
    expect(await harness.client.delete(connectionResource, { namespace, name: 'default' })).to.equal(true);
    expect(await harness.client.get(connectionResource, { namespace, name: 'default' })).to.equal(undefined);
    await harness.reason(namespace, 'Ready', 'ConnectionMissing');
    expect(await children()).to.deep.equal(before);
    await harness.client.delete(tunnelResource, { namespace, name: 'web' });
    await gone();
  });

  it('a namespace ends with everything in it', async () => {
    await harness.server.kubectl(['delete', 'namespace', namespace, '--wait', '--timeout=60s']);
    expect(await harness.server.kubectl(['get', 'namespace', namespace, '--ignore-not-found'])).to.equal('');
  });

  it('the operator first changes nothing about that', async () => {
    await manager.stop('SIGKILL');
    await harness.client.delete(tunnelResource, { namespace, name: 'web' });
    await harness.client.delete(connectionResource, { namespace, name: 'default' });
    expect(await harness.client.get(tunnelResource, { namespace, name: 'web' })).to.equal(undefined);
    expect(await harness.client.get(connectionResource, { namespace, name: 'default' })).to.equal(undefined);
    await gone();
    manager = await harness.manager();
  });

  it('the definitions first ends all tunnels, and the manager goes on when they come back', async () => {
    await harness.server.kubectl(['delete', '-f', 'dist/crds.yaml', '--wait', '--timeout=60s']);
    await gone();
    await installCrds(harness.server);
    await harness.connection(namespace);
    await harness.tunnelOf(namespace);
    await eventually(
      'it is reconciled by the same manager',
      async () => {
        const tunnel = await harness.tunnel(namespace);
        return tunnel.status?.observedGeneration === tunnel.metadata.generation;
      },
      { timeoutMs: 120_000, everyMs: 300 },
    );
    expect(manager.daemon.running).to.equal(true);
  });
});
