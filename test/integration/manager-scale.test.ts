// The counts of the control bench (test/bench/control) with few tunnels, so that no change makes the manager write more
// than it must. Real controller-manager and scheduler, Pods of kwok's fake node, agents that report as real ones do.

import { expect } from 'chai';
import { countRequests } from '../bench/control/audit.ts';
import type { ManagerUnderTest } from '../bench/control/manager.ts';
import {
  createTunnels,
  editByHand,
  idle,
  labelSecret,
  type RolloutResult,
  restart,
  restartWithWork,
  rotateSecret,
} from '../bench/control/scenarios.ts';
import { World } from '../bench/control/world.ts';

const tunnels = 20;

describe('a manager with many tunnels', function () {
  this.timeout(300_000);

  let world: World;
  let manager: ManagerUnderTest;
  let result: RolloutResult;

  before(async () => {
    world = await World.start();
    manager = await world.startManager();
    result = await createTunnels(world, manager, tunnels);
  });
  after(async () => {
    await result?.rollout.stop();
    await world?.stop();
  });

  it('makes each Ready with at most eight writes, three Events and two writes of its agent, none of them idle', () => {
    const { manager: counts, agents } = result;
    expect(counts.writes, JSON.stringify(counts.byResource)).to.be.within(6 * tunnels, 8 * tunnels);
    expect(counts.idle).to.equal(0);
    expect(counts.events).to.be.within(tunnels, 3 * tunnels);
    // It does not look whether each child is there already: the API server does, when it creates.
    expect(counts.reads.get ?? 0).to.be.below(tunnels);
    expect(agents.byResource['patch rstreamtunnels/status']).to.be.within(tunnels, 2 * tunnels);
    expect(agents.idle).to.equal(0);
  });

  it('would be caught at a write that changes nothing', async () => {
    world.audit.read();
    await world.putConnection();
    const requests = world.audit.read();
    expect(countRequests(requests, 'bench')).to.deep.include({ writes: 1, idle: 1 });
    expect(countRequests(requests, 'rstream-manager').writes).to.equal(0);
  });

  it('writes nothing for a label on the Secret that every agent uses', async () => {
    const counts = await labelSecret(world, manager);
    expect(counts.byResource).to.deep.equal({});
    expect(counts.events).to.equal(0);
  });

  it('rolls every agent once when the token changes, with no idle write', async () => {
    const { counts, rolled } = await rotateSecret(world, manager, result.rollout);
    expect(rolled).to.equal(1);
    expect(counts.byResource['patch deployments']).to.equal(tunnels);
    expect(counts.writes).to.be.at.most(2 * tunnels + 1);
    expect(counts.idle).to.equal(0);
  });

  it('puts a Deployment that was edited by hand back with one write', async () => {
    const { writes } = await editByHand(world, manager, result.rollout);
    expect(writes).to.equal(1);
  });

  it('writes nothing when it starts anew, and then nothing but its Lease', async () => {
    const restarted = await restart(world, manager, tunnels);
    manager = restarted.manager;
    expect(restarted.counts.byResource).to.deep.equal({});
    expect(restarted.counts.events).to.equal(0);

    const quiet = await idle(world, 3);
    expect(quiet.byResource).to.deep.equal({});
    expect(quiet.events).to.equal(0);
  });

  it('does what was left undone when it starts anew', async () => {
    const worked = await restartWithWork(world, manager);
    manager = worked.manager;
    expect(worked.seconds).to.be.greaterThan(0);
  });
});
