import { expect } from 'chai';
import { agentReplicas, agentStrategy, hasLock } from '../../charts-ts/agent-lock.ts';
import { AGENT_PROPS } from './agent-fixture.ts';

const { hostname: _hostname, http: _http, ...NAMELESS } = AGENT_PROPS.config.tunnel;

const CASES = [
  { title: 'a hostname', tunnel: AGENT_PROPS.config.tunnel, lock: true },
  { title: 'a tcp port', tunnel: { ...NAMELESS, protocol: 'tcp', tcpPort: 15432 }, lock: true },
  { title: 'an ephemeral tcp port', tunnel: { ...NAMELESS, protocol: 'tcp' }, lock: false },
  { title: 'no hostname', tunnel: NAMELESS, lock: false },
  { title: 'nothing published', tunnel: { ...NAMELESS, publish: false }, lock: false },
  { title: 'an unused hostname', tunnel: { ...AGENT_PROPS.config.tunnel, publish: false }, lock: false },
] as const;

describe('agent lock', () => {
  for (const { title, tunnel, lock } of CASES) {
    it(`${lock ? 'is' : 'is not'} there with ${title}`, () => {
      expect(hasLock(tunnel)).to.equal(lock);
      expect(agentStrategy(tunnel)).to.equal(lock ? 'Handover' : 'Recreate');
      expect(agentReplicas(tunnel, { replicas: 3 })).to.equal(lock ? 3 : 1);
    });
  }

  it('does not trust an image of the user’s own to stand by', () => {
    expect(agentStrategy(AGENT_PROPS.config.tunnel, { image: 'example.com/agent:1' })).to.equal('Recreate');
  });

  it('takes the user’s word for the strategy', () => {
    const agent = { image: 'example.com/agent:1', strategy: 'Handover' } as const;

    expect(agentStrategy(AGENT_PROPS.config.tunnel, agent)).to.equal('Handover');
    expect(agentStrategy(NAMELESS, { strategy: 'Handover' })).to.equal('Handover');
  });

  it('runs one agent unless told otherwise', () => {
    expect(agentReplicas(AGENT_PROPS.config.tunnel)).to.equal(1);
  });
});
