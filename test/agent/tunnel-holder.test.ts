// Who holds the tunnel over hours: standing by, taking over, being displaced, and when to ask again.

import { expect } from 'chai';
import { unreadiness } from '../../src/agent/state.ts';
import { MemoryEngine, type Policy } from '../support/memory-engine.ts';
import { SideBySide } from '../support/side-by-side.ts';

const minute = 60_000;
const hour = 60 * minute;

describe('holding the tunnel', function () {
  this.timeout(120_000);
  let world: SideBySide;

  beforeEach(() => {
    world = new SideBySide();
  });
  afterEach(async () => await world.stop());

  for (const policy of ['refuse', 'takeover', 'share'] satisfies Policy[]) {
    it(`never fights over a name, however long two agents live side by side: ${policy}`, async () => {
      const engine = new MemoryEngine(policy);
      const [first] = [
        world.agent('first', engine),
        await world.clock.advance(5_000),
        world.agent('second', engine),
      ];
      await world.clock.advance(12 * hour);
      const claims = policy === 'refuse' ? ['first'] : ['first', 'second'];
      expect(engine.claims).to.deep.equal(claims);
      for (const { state } of world.agents) expect(unreadiness(state.tunnel)).to.equal(undefined);
      expect(first.state.tunnel.kind).to.equal(policy === 'takeover' ? 'standby' : 'online');
    });
  }

  it('never fights for long when nobody can report: takeover', async () => {
    world.live = undefined;
    world.reporting = false;
    const engine = new MemoryEngine('takeover');
    world.agent('first', engine);
    await world.clock.advance(5_000);
    world.agent('second', engine);
    await world.clock.advance(10 * hour);
    // A minute at first, doubling up to ten: a few more at the beginning, then six in an hour.
    expect(engine.claims.length).to.be.at.most(10 + 10 * 6);
    const before = engine.claims.length;
    world.live = { tunnelReady: true, agentPod: engine.owners[0] };
    world.reporting = true;
    await world.clock.advance(10 * hour);
    expect(engine.claims.length).to.be.at.most(before + 1);
  });

  it('takes over at once when the owner lets go, without asking the whole time', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = world.agent('owner', engine);
    await world.clock.advance(1_000);
    world.agent('standby', engine);
    await world.clock.advance(30_000);
    expect(engine.requests).to.be.within(200, 400);
    owner.stop.abort();
    await world.clock.advance(200);
    expect(engine.owners).to.deep.equal(['standby']);
    const before = engine.requests;
    await world.clock.advance(hour);
    expect(engine.requests).to.equal(before);
  });

  it('stands by patiently for hours', async () => {
    const engine = new MemoryEngine('refuse');
    world.agent('owner', engine);
    await world.clock.advance(1_000);
    const standby = world.agent('standby', engine);
    await world.clock.advance(6 * hour);
    // 100 ms for a minute, 2 s for five more, 10 s from then on.
    expect(engine.requests).to.be.within(2_500, 3_200);
    expect(standby.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'owner' });
  });

  it('goes on asking while the API server hangs, and stands by as before', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = world.agent('owner', engine);
    await world.clock.advance(1_000);
    const standby = world.agent('standby', engine);
    await world.clock.advance(1_000);
    world.readable = false;
    const before = engine.requests;
    await world.clock.advance(10_000);
    expect(engine.requests - before).to.be.within(90, 110);
    expect(standby.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'owner' });
    owner.stop.abort();
    await world.clock.advance(200);
    expect(engine.owners).to.deep.equal(['standby']);
  });

  it('waits for the name of an owner that dies after hours, and asks quickly again', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = world.agent('owner', engine);
    await world.clock.advance(1_000);
    const standby = world.agent('standby', engine);
    await world.clock.advance(3 * hour);
    // SIGKILL with packets lost: the engine still believes in it, and the manager has noticed.
    world.reachable = false;
    engine.ghost = true;
    owner.channel?.lose();
    world.live = { tunnelReady: false, agentPod: 'owner' };
    await world.clock.advance(15_000);
    expect(standby.state.tunnel.kind).to.equal('connecting');
    expect(unreadiness(standby.state.tunnel)).to.include('release web.test');
    engine.ghost = false;
    await world.clock.advance(300);
    expect(engine.owners).to.deep.equal(['standby']);
  });

  it('calls it a refusal when the name is not let go of within a minute', async () => {
    const engine = new MemoryEngine('refuse');
    const owner = world.agent('owner', engine);
    await world.clock.advance(1_000);
    const standby = world.agent('standby', engine);
    await world.clock.advance(hour);
    world.reachable = false;
    engine.ghost = true;
    owner.channel?.lose();
    world.live = { tunnelReady: false, agentPod: 'owner' };
    await world.clock.advance(90_000);
    expect(standby.state.tunnel.kind).to.equal('rejected');
  });

  it('asks for a tunnel the engine took away only when nobody else has it', async () => {
    const engine = new MemoryEngine('refuse');
    const one = world.agent('one', engine);
    await world.clock.advance(2 * minute);
    engine.revoke();
    world.live = { tunnelReady: true, agentPod: 'somebody' };
    await world.clock.advance(hour);
    expect(engine.owners).to.deep.equal([]);
    expect(one.state.tunnel).to.deep.equal({ kind: 'standby', owner: 'somebody' });
    world.live = { tunnelReady: false, agentPod: 'somebody' };
    await world.clock.advance(15_000);
    expect(engine.owners).to.deep.equal(['one']);
  });

  /** Takes the tunnel away; how long it takes until the agent has it again. */
  async function regained(engine: MemoryEngine): Promise<number> {
    const before = world.clock.now();
    engine.revoke();
    for (let step = 0; step < 7_000 && engine.owners.length === 0; step += 1) await world.clock.advance(100);
    return world.clock.now() - before;
  }

  it('asks ever later for a tunnel that is taken away time and again, until it has kept it for a minute', async () => {
    const engine = new MemoryEngine('refuse');
    world.agent('one', engine);
    await world.clock.advance(1_000);
    const waits: number[] = [];
    for (let times = 0; times < 5; times += 1) waits.push(await regained(engine));
    expect(waits).to.deep.equal([2_000, 4_000, 8_000, 16_000, 32_000]);
    await world.clock.advance(59_000);
    expect(await regained(engine)).to.equal(64_000);
    await world.clock.advance(minute);
    expect(await regained(engine)).to.equal(2_000);
  });

  it('asks a minute later where nobody can tell who has it, then ever later, until it has kept it for an hour', async () => {
    world.live = undefined;
    world.reporting = false;
    const engine = new MemoryEngine('refuse');
    world.agent('one', engine);
    await world.clock.advance(1_000);
    const waits: number[] = [];
    for (let times = 0; times < 3; times += 1) waits.push(await regained(engine));
    expect(waits).to.deep.equal([2_000 + minute, 4_000 + 2 * minute, 8_000 + 4 * minute]);
    await world.clock.advance(2 * minute);
    expect(await regained(engine)).to.equal(2_000 + 8 * minute);
    await world.clock.advance(hour);
    expect(await regained(engine)).to.equal(2_000 + minute);
  });

  it('waits for the engine to release a name of its own, also where there is no status to be read', async () => {
    world.live = undefined;
    world.reporting = false;
    const engine = new MemoryEngine('refuse');
    const one = world.agent('one', engine);
    await world.clock.advance(1_000);
    engine.ghost = true;
    one.channel?.lose();
    await world.clock.advance(30_000);
    expect(unreadiness(one.state.tunnel)).to.equal('waiting for the engine to release web.test');
    await world.clock.advance(minute);
    expect(one.state.tunnel.kind).to.equal('rejected');
  });
});
