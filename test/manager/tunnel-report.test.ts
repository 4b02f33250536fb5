import { expect } from 'chai';
import type { Condition, ConditionUpdate } from '../../src/api/conditions.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { ROLLING_OUT } from '../../src/manager/tunnel-conditions.ts';
import type { TunnelMemory } from '../../src/manager/tunnel-memory.ts';
import { reportTunnel } from '../../src/manager/tunnel-report.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, object, status, statusBody } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { condition, tunnelOf } from './fixtures.ts';

const { signal } = new AbortController();
const observedGeneration = 2;
const ready = condition('Ready', 'True', 'Ready', { observedGeneration });
const missing = condition('Resolved', 'False', 'ServiceMissing', { observedGeneration });
const rollout: ConditionUpdate = {
  ...{ type: 'Reconciling', status: 'True', reason: 'RolloutInProgress', message: ROLLING_OUT },
  observedGeneration,
};

function tunnel(conditions: readonly Condition[]): CachedTunnel {
  const made = tunnelOf({}, { observedGeneration, conditions: [...conditions] } as CachedTunnel['status']);
  const owners = { foreign: [], updaters: [], applied: true };
  return { ...made, metadata: { ...made.metadata, resourceVersion: '7' }, owners };
}

describe('saying on a tunnel what was found out', () => {
  let server: ScriptedApiserver;
  let clock: ManualClock;
  let memory: TunnelMemory;
  let told: string[];

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    clock = new ManualClock();
    [memory, told] = [{}, []];
  });
  afterEach(async () => await server.stop());

  async function report(live: CachedTunnel, ...conditions: readonly ConditionUpdate[]) {
    const options = {
      ...{ client: server.client(), clock, written: () => {} },
      emit: (_about: CachedTunnel, { reason, message }: { reason: string; message: string }) =>
        told.push(`${reason}: ${message}`),
    };
    const found = { observedGeneration, conditions, fields: {} };
    return await reportTunnel(options, { tunnel: live, found, memory }, signal);
  }

  it('keeps a rollout to itself for a minute from when it began, and the next one for a minute of its own', async () => {
    const live = tunnel([ready]);
    expect(await report(live, ready, rollout)).to.deep.equal({ tunnel: live, announceInMs: 60_000 });
    await clock.advance(20_000);
    expect(await report(live, ready, rollout)).to.deep.equal({ tunnel: live, announceInMs: 40_000 });
    expect(await report(live, ready)).to.deep.equal({ tunnel: live, announceInMs: undefined });
    await clock.advance(30_000);
    expect(await report(live, ready, rollout)).to.deep.equal({ tunnel: live, announceInMs: 60_000 });
    expect(server.requests).to.deep.equal([]);

    await clock.advance(60_000);
    server.otherwise('patch', json(200, object('web', 8)));
    expect(await report(live, ready, rollout)).to.have.property('announceInMs', undefined);
    expect(JSON.stringify(server.seen('patch')[0]?.body)).to.include('RolloutInProgress');
  });

  it('tells each refusal of the status once, and again after one that was taken', async () => {
    const refuse = (message: string) => {
      const details = { kind: 'RstreamTunnel', name: 'web' };
      server.otherwise('patch', json(422, { ...statusBody(422, 'Invalid', message), details }));
    };
    const live = tunnel([]);
    refuse('too many');
    for (let round = 0; round < 3; round += 1)
      expect(await report(live, ready)).to.deep.equal({ tunnel: live, announceInMs: undefined });
    refuse('too long');
    await report(live, ready);
    expect(told).to.deep.equal(['InvalidSpec: too many', 'InvalidSpec: too long']);

    server.otherwise('patch', json(200, object('web', 8)));
    await report(live, ready);
    refuse('too long');
    await report(live, ready);
    expect(told.slice(2)).to.deep.equal(['InvalidSpec: too long']);
  });

  it('tells a change once, and nothing of what was there when the process began', async () => {
    server.otherwise('patch', json(200, object('web', 8)));
    await report(tunnel([ready, missing]), ready, missing);
    expect(told).to.deep.equal([]);
    const online = condition('TunnelReady', 'True', 'TunnelOnline');
    for (let round = 0; round < 2; round += 1) await report(tunnel([ready, missing, online]), ready, missing);
    expect(told).to.deep.equal(['TunnelOnline: TunnelReady says TunnelOnline']);
  });

  it('asks to be judged anew when the tunnel is another by now, and tells nothing', async () => {
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, object('web', 12)));
    expect(await report(tunnel([]), missing)).to.deep.equal({ requeue: true });
    server.otherwise('get', status(404, 'NotFound'));
    expect(await report(tunnel([]), missing)).to.deep.equal({});
    expect(told).to.deep.equal([]);
  });
});
