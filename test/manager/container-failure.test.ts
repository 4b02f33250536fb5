// Containers as a kubelet reports them, from one try of a crash loop to the next.

import { expect } from 'chai';
import { cachePod } from '../../src/manager/cached-objects.ts';
import { containerFailure } from '../../src/manager/container-failure.ts';

const second = 1000;
const at = (ms: number) => new Date(ms).toISOString();
/** A run of so many seconds that ended at 0. */
const ended = (seconds: number, more: object = {}) => ({
  terminated: { reason: 'Error', exitCode: 2, startedAt: at(-seconds * second), finishedAt: at(0), ...more },
});
const backOff = {
  waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container=agent' },
};
const running = { running: { startedAt: at(0) } };

interface Status {
  readonly state: object;
  readonly lastState?: object;
  readonly restartCount?: number;
  readonly ready?: boolean;
}

function failure(status: Status, nowSeconds = 1, name = 'agent') {
  const containerStatuses = [{ name, ready: false, restartCount: 0, ...status }];
  const [container] = cachePod({
    metadata: { name: 'dep-1-abcde' },
    status: { containerStatuses },
  }).containers;
  if (container === undefined) throw new Error('there is no container');
  return containerFailure('dep-1-abcde', container, nowSeconds * second);
}

describe('a container that cannot run', () => {
  it('says the same through every try of a crash loop', () => {
    const lastState = ended(1, { message: 'transport.mode quic needs amd64' });
    const tries: readonly Status[] = [
      { state: lastState, restartCount: 1 },
      { state: backOff, lastState, restartCount: 1 },
      { state: running, lastState, restartCount: 2 },
      { state: lastState, lastState: ended(1), restartCount: 2 },
      { state: { waiting: { reason: 'ContainerCreating' } }, lastState, restartCount: 2 },
      { state: backOff, lastState, restartCount: 2 },
    ];
    expect(new Set(tries.map((status) => failure(status)?.message))).to.deep.equal(
      new Set(['the agent keeps crashing (Error): transport.mode quic needs amd64; see its logs']),
    );
  });

  const recovered: readonly (readonly [string, Status, number, boolean])[] = [
    ['runs for less than a minute', { state: running, lastState: ended(1) }, 59, false],
    ['runs for a minute', { state: running, lastState: ended(1) }, 60, true],
    ['runs for less than twice the last time', { state: running, lastState: ended(100) }, 199, false],
    ['runs for twice the last time', { state: running, lastState: ended(100) }, 200, true],
    ['runs for ten minutes', { state: running, lastState: ended(599) }, 600, true],
    ['is ready', { state: running, lastState: ended(1), ready: true }, 1, true],
    ['ran for ten minutes before', { state: running, lastState: ended(600) }, 1, true],
  ];
  for (const [what, status, seconds, isWell] of recovered) {
    it(`has ${isWell ? '' : 'not '}recovered when it ${what}`, () => {
      expect(failure({ restartCount: 5, ...status }, seconds) === undefined).to.equal(isWell);
    });
  }

  it('is looked at again when it may have recovered, and not while it waits', () => {
    expect(failure({ restartCount: 2, state: running, lastState: ended(1) }, 20)?.againInMs).to.equal(
      40 * second,
    );
    expect(failure({ restartCount: 2, state: backOff, lastState: ended(1) })?.againInMs).to.equal(undefined);
  });

  it('is looked at again soon enough when the node’s clock is ahead', () => {
    const later = failure({ restartCount: 2, state: running, lastState: ended(1) }, -86_400);
    expect(later?.againInMs).to.equal(600 * second);
  });

  it('has not failed when it crashed once', () => {
    expect(failure({ state: ended(1) })).to.equal(undefined);
    expect(failure({ state: running, lastState: ended(1), restartCount: 1 })).to.equal(undefined);
  });

  it('says the same whatever the runtime calls a process that cannot begin', () => {
    const message = 'exec: "/rstream-agent": no such file or directory';
    // The runtime gives what never began the beginning of time.
    const lastState = ended(0, { reason: 'StartError', message, finishedAt: at(10 ** 12) });
    const tries: readonly Status[] = [
      { state: lastState },
      { state: { waiting: { reason: 'RunContainerError', message: `${message}: unknown` } }, lastState },
      { state: backOff, lastState, restartCount: 3 },
    ];
    for (const status of tries)
      expect(failure(status)?.message).to.equal(`container agent cannot start: ${message}`);
  });

  it('is named when it is one that somebody injected', () => {
    const crash = { state: backOff, lastState: ended(1), restartCount: 3 };
    expect(failure(crash, 1, 'proxy')?.message).to.equal(
      'container proxy keeps crashing (Error); see its logs',
    );
  });

  it('is none when it was injected to begin with, and is done', () => {
    const done = ended(1, { reason: 'Completed', exitCode: 0 });
    expect(failure({ state: done, ready: true, restartCount: 3 }, 1, 'init')).to.equal(undefined);
    const again = { state: running, lastState: done, restartCount: 3 };
    expect(failure(again, 1, 'init')).to.equal(undefined);
    expect(failure(again)?.message).to.include('keeps crashing (Completed)');
  });

  it('has its last words put on one line and cut', () => {
    const message = `a\nb\u001b[31m\u2028c ${'x'.repeat(9000)}`;
    const words = failure({ state: backOff, lastState: ended(1, { message }) })?.message ?? '';
    expect(words).to.match(/^the agent keeps crashing \(Error\): a b \[31m c x+…; see its logs$/);
    expect(words).to.have.length.below(600);
  });
});
