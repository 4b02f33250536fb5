import { expect } from 'chai';
import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { type CachedChild, cacheChild } from '../../src/manager/cached-objects.ts';
import type { CachedConnection } from '../../src/manager/cached-tunnel.ts';
import { lastGoodEngine, ownConfig } from '../../src/manager/last-good-engine.ts';
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

describe('the configuration of a tunnel’s own ConfigMap', () => {
  const uid = 'tunnel-1';
  const applied = { manager: 'rstream-operator', operation: 'Apply' };
  const configMap = (owner: string | undefined, managedFields: readonly object[]) => {
    const ownerReferences = owner === undefined ? [] : [{ uid: owner, controller: true }];
    const metadata = { name: 'web-config', ownerReferences, managedFields };
    return cacheChild('ConfigMap', { metadata, data: { 'config.yaml': 'written' } });
  };
  const whole = { ...applied, fieldsV1: { 'f:data': { 'f:config.yaml': {} } } };
  /** What is left of it when somebody has edited the configuration. */
  const edited = { ...applied, fieldsV1: { 'f:data': {}, 'f:metadata': {} } };

  it('is read while it is as we applied it', () => {
    expect(ownConfig(configMap(uid, [whole]), uid)).to.equal('written');
  });

  const none: readonly (readonly [string, CachedChild | undefined])[] = [
    ['there is none', undefined],
    ['the ConfigMap is another tunnel’s', configMap('tunnel-2', [whole])],
    ['the ConfigMap is nobody’s', configMap(undefined, [whole])],
    ['somebody else made the ConfigMap', configMap(uid, [{ ...whole, manager: 'kubectl' }])],
    ['somebody else has edited it', configMap(uid, [edited])],
  ];
  for (const [what, child] of none) {
    it(`is not read when ${what}`, () => {
      expect(ownConfig(child, uid)).to.equal(undefined);
    });
  }
});
