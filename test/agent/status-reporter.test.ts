import { expect } from 'chai';
import { AgentState } from '../../src/agent/state.ts';
import type { AgentStatus } from '../../src/agent/status.ts';
import { StatusReporter } from '../../src/agent/status-reporter.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import type { ConditionStatus } from '../../src/api/conditions.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, object, status } from '../support/scripted-answers.ts';
import { ScriptedApiserver, type SeenRequest } from '../support/scripted-apiserver.ts';

interface Patch {
  readonly metadata: { readonly resourceVersion: string };
  readonly status: AgentStatus;
}

describe('StatusReporter', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let clock: ManualClock;
  let state: AgentState;
  let target: TargetHealth;
  let reporter: StatusReporter;
  let stop: AbortController;
  let running: Promise<void>;
  /** What the API server holds. */
  let version: number;
  let live: AgentStatus;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
    clock = new ManualClock();
    state = new AgentState();
    target = new TargetHealth(() => reporter.targetChanged());
    stop = new AbortController();
    [version, live] = [7, {}];
    const current = () => ({ ...object('web', version), status: live });
    server.otherwise('get', (...args) => json(200, current())(...args));
    server.otherwise('patch', (response, request) => {
      version += 1;
      live = bodyOf(request).status;
      json(200, current())(response, request);
    });
    start();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await server.stop();
  });

  function start(uid = 'uid-web'): void {
    reporter = new StatusReporter({
      ...{ client, state, target, clock, log: silentLogger, random: () => 0.5 },
      tunnel: { namespace: 'default', name: 'web', uid },
      podName: 'me',
      targetAddress: 'web:80',
      stableAddress: true,
    });
    running = reporter.run(stop.signal);
  }

  const bodyOf = ({ body }: SeenRequest) => body as Patch;
  const writes = () => server.seen('patch').map(bodyOf);
  const ready = () => live.conditions?.find(({ type }) => type === 'TunnelReady');
  const ofAnother = (status: ConditionStatus, reason: string): AgentStatus => {
    const lastTransitionTime = '2026-01-01T00:00:00Z';
    const condition = { type: 'TunnelReady', status, reason, message: '', lastTransitionTime };
    return { agentPod: 'other', conditions: [condition] };
  };
  const online = (tunnelId = 't1') =>
    state.set({ kind: 'online', tunnelId, forwardingAddress: 'https://web.test' }, clock.date());
  /** Nothing is left to be done before time passes. */
  const settled = async (what: string, isSo: () => boolean) => {
    await eventually(what, isSo);
    await eventually('it waits for time to pass', () => clock.pending > 0);
  };

  it('writes all of its fields with the version it read, as itself and by force', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');

    const last = server.seen('patch').at(-1);
    expect(last?.path).to.match(/\/rstreamtunnels\/web\/status$/);
    expect(Object.fromEntries(last?.query ?? [])).to.include({
      fieldManager: 'rstream-agent',
      force: 'true',
    });
    expect(writes().at(-1)?.metadata.resourceVersion).to.equal(`${version - 1}`);
    expect(live).to.include({ agentPod: 'me', tunnelID: 't1', forwardingAddress: 'https://web.test' });
  });

  it('reads again when somebody has written meanwhile', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const before = writes().length;
    server.script('patch', (response, request) => {
      version = 70;
      status(409, 'Conflict')(response, request);
    });
    online('t2');
    await eventually('it was refused', () => writes().length === before + 1);
    await eventually('its word stands', async () => {
      await clock.advance(250);
      return live.tunnelID === 't2';
    });
    expect(writes().at(-1)?.metadata.resourceVersion).to.equal('70');
  });

  it('looks after its word every 30 s while it is online, and says it again when it was taken back', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const reads = () => server.seen('get').length;
    const before = reads();
    await clock.advance(29_999);
    expect(reads()).to.equal(before);
    const [lost] = live.conditions ?? [];
    live = { ...live, conditions: lost && [{ ...lost, status: 'Unknown', reason: 'AgentUnavailable' }] };
    await clock.advance(1);
    await settled('it has looked, and spoken', () => ready()?.status === 'True');
    expect(reads()).to.equal(before + 1);
  });

  it('leaves the word to another Pod that has spoken since', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const [before, looked] = [writes().length, server.seen('get').length];
    live = { ...live, agentPod: 'other' };
    await clock.advance(30_000);
    await settled('it has looked', () => server.seen('get').length > looked);
    expect(writes().length).to.equal(before);
  });

  const failures = {
    'wants no more requests for now': status(429, 'TooManyRequests'),
    'is not ready': status(503, 'ServiceUnavailable'),
    'has forgotten the version': status(410, 'Expired'),
  };
  for (const [what, failure] of Object.entries(failures)) {
    for (const kind of ['get', 'patch'] as const) {
      it(`tries ever more seldom while the API server ${what}, and then says what is true: ${kind}`, async () => {
        online();
        await settled('it is online', () => ready()?.status === 'True');
        const before = server.seen(kind).length;
        const waits: number[] = [];
        server.script(kind, ...Array(8).fill(failure));
        state.set({ kind: 'connecting', message: 'long past' }, clock.date());
        for (let failed = 1; failed <= 8; failed += 1) {
          await settled('it has tried', () => server.seen(kind).length === before + failed);
          // What turns meanwhile does not hurry it.
          for (let dial = 0; dial < 3; dial += 1) target.failed(`cause ${failed}`);
          waits.push(clock.nextDelayMs ?? 0);
          if (failed === 8) online('t2');
          else await clock.advance(waits.at(-1) ?? 0);
        }
        expect(waits).to.deep.equal([375, 750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500]);
        await settled('it says what is true', () => live.tunnelID === 't2');
        expect(live.conditions?.map(({ message }) => message)).to.include('cause 8');
      });
    }
  }

  it('goes on within 250 ms however often somebody else writes, and forgets that once its word stands', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const before = writes().length;
    server.script('patch', ...Array(8).fill(status(409, 'Conflict')));
    online('t2');
    for (let refused = 1; refused <= 8; refused += 1) {
      await settled('it was refused', () => writes().length === before + refused);
      expect(clock.nextDelayMs).to.equal(250);
      await clock.advance(250);
    }
    await settled('its word stands', () => live.tunnelID === 't2');
    const looked = server.seen('get').length;
    server.script('get', status(503, 'ServiceUnavailable'));
    online('t3');
    await settled('it was refused', () => server.seen('get').length > looked);
    expect(clock.nextDelayMs).to.equal(375);
  });

  it('tells who has the tunnel from one read in a second, unless something has changed', async () => {
    await eventually('it has spoken', () => ready()?.reason === 'TunnelConnecting');
    const looked = server.seen('get').length;
    const ask = () => reporter.live(stop.signal);
    await Promise.all([ask(), ask()]);
    await clock.advance(999);
    await ask();
    expect(server.seen('get').length).to.equal(looked + 1);
    await clock.advance(1);
    expect(await ask()).to.deep.equal({ tunnelReady: false, agentPod: undefined });
    expect(server.seen('get').length).to.equal(looked + 2);
    online();
    await eventually('it is online', () => ready()?.status === 'True');
    expect(await ask()).to.deep.equal({ tunnelReady: true, agentPod: 'me' });
  });

  it('waits as long as the API server asks, up to a minute', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const before = server.seen('get').length;
    const asked = [7, 3_600, 1].map((retryAfter) => status(429, 'TooManyRequests', { retryAfter }));
    server.script('get', ...asked);
    online('t2');
    for (const [index, waitMs] of [7_000, 60_000, 1_500].entries()) {
      await settled('it was asked', () => server.seen('get').length === before + index + 1);
      expect(clock.nextDelayMs).to.equal(waitMs);
      await clock.advance(waitMs);
    }
    await settled('it says what is true', () => live.tunnelID === 't2');
  });

  it('says why it is not online once the word of another Pod that is gone was taken back', async () => {
    live = ofAnother('True', 'TunnelOnline');
    const looked = server.seen('get').length;
    state.set({ kind: 'rejected', problem: { code: '3000', message: 'no such domain' } }, clock.date());
    await settled('it has looked', () => server.seen('get').length > looked);
    expect(ready()?.reason).to.equal('TunnelOnline');

    live = ofAnother('Unknown', 'AgentUnavailable');
    await clock.advance(30_000);
    await eventually('it says why', () => ready()?.reason === 'TunnelRejected');
  });

  it('asks the API server no more often the more its target turns', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const reachable = () => live.conditions?.find(({ type }) => type === 'TargetReachable');
    for (let dial = 0; dial < 3; dial += 1) target.failed('refused');
    await settled('it says so', () => reachable()?.status === 'False');
    const looked = server.seen('get').length;
    target.failed('no answer');
    await settled('it has looked', () => server.seen('get').length > looked);
    for (let turn = 0; turn < 20; turn += 1) {
      target.failed(turn % 2 === 0 ? 'refused' : 'no route');
      await clock.advance(1);
    }
    online('t2');
    await settled('it has spoken of something else', () => live.tunnelID === 't2');
    expect(server.seen('get').length).to.equal(looked + 2);
    await clock.advance(30_000);
    await settled('it has the last word', () => reachable()?.message === 'no route');
  });

  it('speaks of the target at once, and then once per 30 s at most', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const reachable = () => live.conditions?.find(({ type }) => type === 'TargetReachable')?.status;
    for (let dial = 0; dial < 3; dial += 1) target.failed('refused');
    await settled('it says so', () => reachable() === 'False');
    const before = writes().length;
    const looked = server.seen('get').length;
    target.succeeded();
    await settled('it has looked', () => server.seen('get').length > looked);
    await clock.advance(29_999);
    await settled('nothing is under way', () => true);
    expect([writes().length, reachable()]).to.deep.equal([before, 'False']);
    await clock.advance(1);
    await settled('it says so', () => reachable() === 'True');
    expect(writes().length).to.equal(before + 1);
  });

  it('writes nothing once it was told to stop, not even what it was about to write', async () => {
    online();
    await settled('it is online', () => ready()?.status === 'True');
    const before = writes().length;
    // Between its read and its write it asks for the time.
    clock.date = () => {
      stop.abort();
      return new Date();
    };
    state.set({ kind: 'connecting', message: 'again' }, new Date());
    await running;
    online('t2');
    expect(writes().length).to.equal(before);
  });

  it('says nothing on a tunnel made anew under the name of its own', async () => {
    stop.abort();
    await running;
    stop = new AbortController();
    const [before, looked] = [writes().length, server.seen('get').length];
    start('uid-of-the-one-before');
    online('t3');
    await eventually('it has looked', () => server.seen('get').length > looked);
    expect(await reporter.live(stop.signal)).to.equal(undefined);
    expect(writes().length).to.equal(before);
  });
});
