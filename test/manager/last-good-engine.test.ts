import { expect } from 'chai';
import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import type { CachedConnection } from '../../src/manager/cached-tunnel.ts';
import { lastGoodEngine } from '../../src/manager/last-good-engine.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';
import { EARLIER } from './fixtures.ts';

const engine = 'p1.edge.example.com:443';
const configOf = (of: string) => stringifyAgentConfig({ ...AGENT_PROPS.config, connection: { engine: of } });
const ready = {
  type: 'Ready',
  status: 'True',
  reason: 'Ready',
  message: 'm',
  lastTransitionTime: EARLIER,
  observedGeneration: 3,
} as const;

function connection(status: CachedConnection['status']): CachedConnection {
  const metadata = { name: 'default', namespace: 'shop', uid: 'u', generation: 3 };
  const spec = { projectEndpoint: 'p1', tokenSecretRef: { name: 's', key: 'k' } };
  return { metadata, spec, owners: { foreign: [], updaters: [], applied: true }, ...(status && { status }) };
}

describe('the last good engine of a connection', () => {
  const found = { engine, conditions: [ready] };

  it('is what its status and a configuration of ours agree on', () => {
    const configs = ['not a configuration', configOf('p2.edge.example.com:443'), configOf(engine)];
    expect(lastGoodEngine(connection(found), configs)).to.equal(engine);
  });

  const none: readonly (readonly [string, CachedConnection['status'], readonly string[]])[] = [
    ['a status alone, which anybody may have forged', found, []],
    ['a configuration with another engine', found, [configOf('p2.edge.example.com:443')]],
    ['a configuration alone', { conditions: [ready] }, [configOf(engine)]],
    ['no status', undefined, [configOf(engine)]],
    [
      'a status of an earlier spec',
      { engine, conditions: [{ ...ready, observedGeneration: 2 }] },
      [configOf(engine)],
    ],
    [
      'a status that is not Ready',
      { engine, conditions: [{ ...ready, status: 'False', reason: 'Unauthorized' }] },
      [configOf(engine)],
    ],
  ];
  for (const [what, status, configs] of none) {
    it(`does not follow from ${what}`, () => {
      expect(lastGoodEngine(connection(status), configs)).to.equal(undefined);
    });
  }
});
