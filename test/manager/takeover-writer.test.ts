import { expect } from 'chai';
import { FIELD_MANAGER } from '../../src/api/group.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { type TakenOver, takeOver } from '../../src/manager/takeover-writer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, object, status, statusBody } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { condition, pod, tunnelOf } from './fixtures.ts';

const { signal } = new AbortController();

function tunnel(agentPod?: string): CachedTunnel {
  const { observedGeneration: _, ...online } = condition('TunnelReady', 'True', 'TunnelOnline');
  const conditions = [online];
  const made = tunnelOf({}, { conditions, ...(agentPod && { agentPod }) });
  const owners = { foreign: [], updaters: [], applied: true };
  return { ...made, metadata: { ...made.metadata, resourceVersion: '7' }, owners };
}

describe('writing that nobody serves a tunnel any more', () => {
  let server: ScriptedApiserver;
  let clock: ManualClock;
  let seen: CachedTunnel[];

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    clock = new ManualClock();
    seen = [];
  });
  afterEach(async () => await server.stop());

  /** What comes of it ten seconds after the agent went. */
  async function due(agentPod?: string): Promise<TakenOver> {
    const options = {
      ...{ client: server.client(), clock, takeovers: new TakeoverWatch(), pods: () => [] },
      written: (one: CachedTunnel) => seen.push(one),
    };
    expect(await takeOver(options, tunnel(agentPod), signal)).to.deep.equal({ requeueAfterMs: 10_000 });
    expect(server.requests).to.deep.equal([]);
    await clock.advance(10_000);
    return await takeOver(options, tunnel(agentPod), signal);
  }

  it('says so alone, as of the version that was judged, and names the Pod', async () => {
    server.otherwise('patch', json(200, object('web', 8)));
    expect(await due('web-1')).to.deep.equal({});
    const [request, ...more] = server.seen('patch');
    expect(more).to.deep.equal([]);
    expect(request?.path).to.match(/\/rstreamtunnels\/web\/status$/);
    expect(request?.query.get('fieldManager')).to.equal(FIELD_MANAGER.takeover);
    const said = {
      ...{ type: 'TunnelReady', status: 'Unknown', reason: 'AgentUnavailable' },
      message: 'Pod web-1, which held the tunnel, is gone, not ready, or not labelled as its agent any more',
      lastTransitionTime: '2026-01-01T00:00:10Z',
    };
    expect(request?.body).to.deep.include({
      metadata: { name: 'web', namespace: 'shop', resourceVersion: '7' },
      status: { conditions: [said] },
    });
    expect(seen.map(({ metadata }) => metadata.resourceVersion)).to.deep.equal(['8']);
  });

  it('speaks of the agent when no Pod is named', async () => {
    server.otherwise('patch', json(200, object('web', 8)));
    await due();
    expect(JSON.stringify(server.seen('patch')[0]?.body)).to.include('"the agent, which held the tunnel');
  });

  it('judges anew what has changed meanwhile, from the latest version', async () => {
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', json(200, object('web', 12)));
    expect(await due('web-1')).to.deep.equal({ requeue: true });
    expect(seen.map(({ metadata }) => metadata.resourceVersion)).to.deep.equal(['12']);
  });

  it('leaves it to the watch to tell that the tunnel is gone', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    expect(await due('web-1')).to.deep.equal({});
    server.otherwise('patch', status(409, 'Conflict')).otherwise('get', status(404, 'NotFound'));
    clock = new ManualClock();
    server.requests.length = 0;
    expect(await due('web-1')).to.deep.equal({ requeue: true });
    expect(seen).to.deep.equal([]);
  });

  it('takes a refusal of the status for an outcome, and fails with anything else', async () => {
    server.otherwise(
      'patch',
      json(422, { ...statusBody(422, 'Invalid', 'too many'), details: { kind: 'X' } }),
    );
    expect(await due('web-1')).to.deep.equal({ refused: 'too many' });
    server.otherwise('patch', status(403, 'Forbidden'));
    clock = new ManualClock();
    server.requests.length = 0;
    expect(await due('web-1').catch((error: unknown) => error)).to.have.property('status', 403);
  });

  it('says nothing while the agent is well', async () => {
    const pods = () => [pod('web-1')];
    const options = {
      client: server.client(),
      clock,
      takeovers: new TakeoverWatch(),
      pods,
      written: () => {},
    };
    expect(await takeOver(options, tunnel('web-1'), signal)).to.deep.equal({});
    await clock.advance(60_000);
    expect(await takeOver(options, tunnel('web-1'), signal)).to.deep.equal({});
    expect(server.requests).to.deep.equal([]);
  });
});
