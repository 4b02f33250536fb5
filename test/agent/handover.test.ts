import { expect } from 'chai';
import { askAgainMs, judge, mayAskAgain, type Refusal } from '../../src/agent/handover.ts';

const base: Refusal = {
  code: 2000,
  locked: true,
  live: { tunnelReady: true, agentPod: 'other' },
  podName: 'me',
  heldBefore: false,
  elapsedMs: 0,
};
const half = () => 0.5;

describe('handover', () => {
  for (const code of [1000, 2010, 2020, 2030, 5000, 7000]) {
    it(`never stands by for code ${code}`, () => {
      expect(judge({ ...base, code }).kind).to.equal('rejected');
    });
  }

  for (const code of [0, 2000, 3000, 4000, 6000, 9000, 12345]) {
    it(`stands by for code ${code} while another Pod is online`, () => {
      expect(judge({ ...base, code })).to.deep.equal({ kind: 'standby', owner: 'other' });
    });
  }

  it('takes an absent agentPod for another Pod', () => {
    expect(judge({ ...base, live: { tunnelReady: true, agentPod: undefined } }).kind).to.equal('standby');
  });

  it('waits a minute for the name of a dead owner, and then calls it a refusal', () => {
    const live = { tunnelReady: false, agentPod: 'gone' };
    expect(judge({ ...base, live }).kind).to.equal('waiting');
    expect(judge({ ...base, live, elapsedMs: 60_000 }).kind).to.equal('rejected');
    expect(judge({ ...base, live: { tunnelReady: true, agentPod: 'me' } }).kind).to.equal('waiting');
    expect(judge({ ...base, live: undefined, heldBefore: true }).kind).to.equal('waiting');
  });

  it('calls a refusal a refusal where nobody held the tunnel', () => {
    const live = { tunnelReady: false, agentPod: undefined };
    expect(judge({ ...base, live })).to.deep.equal({ kind: 'rejected', contested: false });
    expect(judge({ ...base, live: undefined })).to.deep.equal({ kind: 'rejected', contested: true });
    expect(judge({ ...base, live: undefined, locked: false })).to.deep.equal({
      kind: 'rejected',
      contested: false,
    });
  });

  it('asks again every 100 ms for a minute, every 2 s for five more, then every 10 s', () => {
    const standby = judge(base);
    expect(askAgainMs(base, standby, half)).to.equal(100);
    expect(askAgainMs(base, standby, () => 0)).to.equal(50);
    expect(askAgainMs(base, standby, () => 0.999)).to.be.within(149, 150);
    expect(askAgainMs({ ...base, elapsedMs: 60_000 }, standby, half)).to.equal(2_000);
    expect(askAgainMs({ ...base, elapsedMs: 360_000 }, standby, half)).to.equal(10_000);
  });

  it('leaves codes 6000 and 7000 and plain refusals to the backoff', () => {
    expect(askAgainMs({ ...base, code: 6000 }, { kind: 'standby', owner: 'x' }, half)).to.equal(undefined);
    expect(askAgainMs({ ...base, code: 7000 }, { kind: 'rejected', contested: false }, half)).to.equal(
      undefined,
    );
    expect(askAgainMs(base, { kind: 'rejected', contested: false }, half)).to.equal(undefined);
    expect(judge({ ...base, code: 6000, live: undefined, heldBefore: true })).to.deep.equal({
      kind: 'rejected',
      contested: false,
    });
  });

  it('asks twice in a second where nobody can tell whether another agent has the tunnel', () => {
    const contested = judge({ ...base, live: undefined });
    expect(askAgainMs(base, contested, half)).to.equal(500);
    expect(askAgainMs({ ...base, elapsedMs: 60_000 }, contested, half)).to.equal(2_000);
  });

  it('lets an agent that lost its tunnel ask again only when nobody else holds it', () => {
    expect(mayAskAgain({ tunnelReady: true, agentPod: 'other' }, 'me')).to.equal(false);
    expect(mayAskAgain({ tunnelReady: true, agentPod: undefined }, 'me')).to.equal(false);
    expect(mayAskAgain({ tunnelReady: true, agentPod: 'me' }, 'me')).to.equal(true);
    expect(mayAskAgain({ tunnelReady: false, agentPod: 'other' }, 'me')).to.equal(true);
    expect(mayAskAgain(undefined, 'me')).to.equal(undefined);
  });
});
