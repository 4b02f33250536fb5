import { expect } from 'chai';
import type { ProjectQuestion } from '../../src/manager/connection-plan.ts';
import type { FailureReason, ResolveFailure, ResolveOutcome } from '../../src/manager/control-plane.ts';
import { ResolutionCache } from '../../src/manager/resolution-cache.ts';
import { ManualClock } from '../support/manual-clock.ts';

const minute = 60_000;
const good: ResolveOutcome = { project: { id: 'p', endpoint: 'e', engine: 'e.example.com:443' } };
const question: ProjectQuestion = {
  apiUrl: 'https://control.example.com',
  project: { endpoint: 'e' },
  region: undefined,
  token: 'token',
  headers: new Map([['x-a', '1']]),
};

function failed(reason: FailureReason, retryAfterMs?: number): ResolveOutcome {
  const failure: ResolveFailure = { reason, code: 'ERR_RSTREAM_API_HTTP', message: reason, retryAfterMs };
  return { failure };
}

describe('ResolutionCache', () => {
  let clock: ManualClock;
  let asked: number;
  let outcome: ResolveOutcome;
  let luck: number;
  let cache: ResolutionCache;

  beforeEach(() => {
    clock = new ManualClock();
    asked = 0;
    outcome = good;
    luck = 0.5;
    cache = new ResolutionCache({
      clock,
      random: () => luck,
      resolve: async () => {
        asked += 1;
        return outcome;
      },
    });
  });

  const ask = async (more: Partial<ProjectQuestion> = {}, key = 'n/c') =>
    await cache.resolve(key, { ...question, ...more }, new AbortController().signal);
  /** Reconciles as the controller would: when asked to, for so long. */
  const live = async (ms: number) => {
    const end = clock.now() + ms;
    for (;;) {
      const { againInMs } = await ask();
      expect(againInMs).to.be.greaterThan(0);
      if (clock.now() + againInMs > end) return;
      await clock.advance(againInMs);
    }
  };

  it('asks once, however often it is asked itself', async () => {
    for (let time = 0; time < 50; time += 1)
      expect((await ask()).project?.engine).to.equal('e.example.com:443');
    expect(asked).to.equal(1);
  });

  it('asks again after ten minutes, a tenth more or less by chance', async () => {
    const pauses: number[] = [];
    for (luck of [0, 0.25, 0.5, 0.999]) pauses.push((await ask({}, `n/${luck}`)).againInMs / minute);
    expect(pauses.map((pause) => Math.round(pause * 10) / 10)).to.deep.equal([9, 9.5, 10, 11]);

    await live(60 * minute);
    expect(asked - 4).to.be.within(6, 7);
  });

  for (const [what, change] of Object.entries<Partial<ProjectQuestion>>({
    'the URL': { apiUrl: 'https://other.example.com' },
    'the project': { project: { id: 'e' } },
    'the region': { region: 'eu-west-3' },
    'the token': { token: 'another' },
    'a header': { headers: new Map([['x-a', '2']]) },
  })) {
    it(`asks at once when ${what} changes, and does not go on with the old answer`, async () => {
      await ask();
      outcome = failed('ControlPlaneUnavailable');
      const { project, failure, isFirst } = await ask(change);
      expect(asked).to.equal(2);
      expect([project, isFirst]).to.deep.equal([undefined, false]);
      expect(failure?.reason).to.equal('ControlPlaneUnavailable');
    });
  }

  it('goes on with the last answer while the control plane is unavailable', async () => {
    await ask();
    outcome = failed('ControlPlaneUnavailable');
    await clock.advance(11 * minute);
    const { project, failure } = await ask();
    expect(project?.engine).to.equal('e.example.com:443');
    expect(failure?.reason).to.equal('ControlPlaneUnavailable');

    outcome = good;
    await clock.advance(minute);
    expect((await ask()).failure).to.equal(undefined);
  });

  for (const reason of [
    'Unauthorized',
    'Forbidden',
    'ProjectNotFound',
    'RegionUnavailable',
    'PolicyDenied',
  ] as const) {
    it(`does not go on after ${reason}`, async () => {
      await ask();
      outcome = failed(reason);
      await clock.advance(11 * minute);
      expect((await ask()).project).to.equal(undefined);
      outcome = failed('ControlPlaneUnavailable');
      await clock.advance(2 * minute);
      expect((await ask()).project, 'what was refused does not come back').to.equal(undefined);
    });
  }

  it('asks a failing control plane at growing intervals up to a minute, and from the start after a success', async () => {
    outcome = failed('ControlPlaneUnavailable');
    const pauses: number[] = [];
    for (let time = 0; time < 8; time += 1) {
      const { againInMs } = await ask();
      pauses.push(againInMs / 1000);
      await clock.advance(againInMs);
    }
    expect(pauses).to.deep.equal([1.5, 3, 6, 12, 24, 45, 45, 45]);
    await live(60 * minute);
    expect(asked).to.be.within(80, 100);

    outcome = good;
    await clock.advance(minute);
    await ask();
    outcome = failed('ControlPlaneUnavailable');
    await clock.advance(11 * minute);
    expect((await ask()).againInMs).to.equal(1500);
  });

  it('waits as long as Retry-After says, and a little more by chance', async () => {
    outcome = failed('ControlPlaneUnavailable', 5 * minute);
    for (const [chance, wanted] of [
      [0, 5],
      [0.5, 5.25],
    ] as const) {
      luck = chance;
      expect((await ask({}, `n/${chance}`)).againInMs).to.equal(wanted * minute);
    }
    await clock.advance(4 * minute);
    await ask({}, 'n/0');
    expect(asked).to.equal(2);
  });

  it('keeps nothing of a connection that is gone', async () => {
    await ask();
    cache.forget('n/c');
    expect(cache.size).to.equal(0);
    outcome = failed('ControlPlaneUnavailable');
    expect((await ask()).isFirst).to.equal(true);
  });
});
