import { expect } from 'chai';
import { AgentState, unreadiness } from '../../src/agent/state.ts';

const at = new Date('2026-01-02T03:04:05Z');
const redact = (text: string) => text.replaceAll('canary', '(secret)');

describe('what the agent knows', () => {
  it('holds no secret, wherever an engine said it back', () => {
    const state = new AgentState(redact);
    state.set({ kind: 'rejected', problem: { code: '1000', message: 'no canary' } }, at);
    expect(state.tunnel).to.have.nested.property('problem.message', 'no (secret)');
    expect(state.lastError).to.include({ message: 'no (secret)', code: '1000', at });
    expect(unreadiness(state.tunnel)).to.equal('the engine refused: no (secret) (code 1000)');

    state.set({ kind: 'online', tunnelId: 'canary', forwardingAddress: 'https://canary.test' }, at);
    const forwardingAddress = 'https://(secret).test';
    expect(state.tunnel).to.deep.equal({ kind: 'online', tunnelId: '(secret)', forwardingAddress });
  });

  it('does not say that the engine refused what it was never asked', () => {
    const problem = { code: 'ERR_RSTREAM_TOKEN_EXPIRED', message: 'the token expired' };
    const text = 'the token expired (code ERR_RSTREAM_TOKEN_EXPIRED)';
    expect(unreadiness({ kind: 'rejected', problem })).to.equal(text);
  });

  it('tells of changes, and of nothing else', () => {
    let changes = 0;
    const state = new AgentState();
    state.onChange(() => {
      changes += 1;
    });
    const disconnected = { kind: 'disconnected', problem: { code: 'E', message: 'cut' } } as const;
    state.set(disconnected, at);
    state.set({ ...disconnected }, new Date(0));
    expect(changes).to.equal(1);
    expect(state.lastError?.at).to.equal(at);
  });
});
