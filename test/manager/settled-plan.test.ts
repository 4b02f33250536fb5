import { expect } from 'chai';
import { CHILD_LABEL } from '../../src/api/names.ts';
import { type CachedChild, cacheChild } from '../../src/manager/cached-objects.ts';
import { withAppliedHash } from '../../src/manager/child-judgement.ts';
import {
  isStillSettled,
  nextPlanKey,
  planKey,
  type SettledPlan,
  settle,
} from '../../src/manager/settled-plan.ts';
import { type TunnelPlanInput, tunnelPlan } from '../../src/manager/tunnel-plan.ts';
import { tunnelOf, UID } from './fixtures.ts';

const connection = {
  spec: { engine: 'p1.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'token' } },
  engine: 'p1.edge.example.com:443',
  secretsDigest: 'digest',
};
const target = { host: 'app.shop.svc', port: 80, protocol: 'TCP' } as const;

function inputOf(more: Partial<TunnelPlanInput> = {}): TunnelPlanInput {
  return {
    tunnel: tunnelOf(),
    resolution: { resolved: { connection, target } },
    specProblem: undefined,
    agentImage: 'agent:1',
    clusterId: 'cluster',
    previousHostname: undefined,
    ...more,
  };
}

function planned() {
  const plan = tunnelPlan(inputOf());
  if (plan.action !== 'apply') throw new Error(`the plan is to ${plan.action}`);
  return plan;
}

type Owned = { [key: string]: Owned };

/** managedFields of somebody who applied exactly this. */
function fieldsOf(value: unknown): Owned {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [`f:${key}`, fieldsOf(item)]));
}

/** What the cache holds after the manifests were applied, by kind. */
function applied(): Map<string, CachedChild> {
  const children = planned().manifests.map((manifest): [string, CachedChild] => {
    const { metadata, ...rest } = withAppliedHash(manifest);
    const { name: _, namespace: __, ...owned } = metadata;
    const fieldsV1 = fieldsOf({ ...rest, metadata: owned });
    const managedFields = [{ manager: 'rstream-operator', operation: 'Apply', fieldsV1 }];
    const uid = `uid-of-${manifest.kind}`;
    return [
      manifest.kind,
      cacheChild(manifest.kind, { ...rest, metadata: { ...metadata, uid, managedFields } }),
    ];
  });
  return new Map(children);
}

const identity = { name: 'web', namespace: 'shop', uid: UID };
const findIn = (children: ReadonlyMap<string, CachedChild>) => (kind: string) => children.get(kind);

function settled(children = applied()): SettledPlan {
  const found = settle('key', planned(), identity, findIn(children));
  if (found === undefined) throw new Error('the children are not settled');
  return found;
}

describe('a settled plan', () => {
  it('says what the plan said, without its manifests', () => {
    const { config, hash } = planned();
    const { plan } = settled();
    expect(plan).to.deep.include({ action: 'keep', config, hash });
    expect(plan.kinds).to.have.members(['ConfigMap', 'ServiceAccount', 'Role', 'RoleBinding', 'Deployment']);
  });

  it('does not come of children of which one is missing or was changed', () => {
    const children = applied();
    const deployment = children.get('Deployment');
    if (deployment === undefined) throw new Error('there is no Deployment');
    expect(
      settle(
        'key',
        planned(),
        identity,
        findIn(new Map([...children, ['Deployment', { ...deployment, ownedFields: '{}' }]])),
      ),
    ).to.equal(undefined);
    children.delete('Role');
    expect(settle('key', planned(), identity, findIn(children))).to.equal(undefined);
  });

  const drifts: Record<string, (child: CachedChild) => CachedChild | undefined> = {
    'is gone': () => undefined,
    'is being deleted': (child) => ({ ...child, metadata: { ...child.metadata, deletionTimestamp: 'now' } }),
    'lost fields of ours': (child) => ({ ...child, ownedFields: '{}' }),
    'was applied from something else': (child) => ({ ...child, appliedHash: 'other' }),
    'belongs to somebody else': (child) => ({ ...child, controllerUid: 'other' }),
    'was written by the Go operator': (child) => ({ ...child, legacy: true }),
  };
  for (const [what, drift] of Object.entries(drifts)) {
    for (const kind of ['ConfigMap', 'Deployment']) {
      it(`ends when the ${kind} ${what}`, () => {
        const children = applied();
        const plan = settled(children);
        expect(isStillSettled(plan, findIn(children))).to.equal(true);
        const child = children.get(kind);
        const drifted = child && drift(child);
        if (drifted === undefined) children.delete(kind);
        else children.set(kind, drifted);
        expect(isStillSettled(plan, findIn(children))).to.equal(false);
      });
    }
  }

  it('outlives a status of the Deployment and a new resourceVersion', () => {
    const children = applied();
    const plan = settled(children);
    const child = children.get('Deployment');
    if (child?.deployment === undefined) throw new Error('there is no Deployment');
    const metadata = { ...child.metadata, resourceVersion: '99' };
    children.set('Deployment', {
      ...child,
      metadata,
      deployment: { ...child.deployment, availableReplicas: 1 },
    });
    expect(isStillSettled(plan, findIn(children))).to.equal(true);
  });
});

describe('the key of a plan', () => {
  const changes: Record<string, Partial<TunnelPlanInput>> = {
    'the generation': { tunnel: { ...tunnelOf(), metadata: { ...tunnelOf().metadata, generation: 3 } } },
    'the uid': { tunnel: { ...tunnelOf(), metadata: { ...tunnelOf().metadata, uid: 'other' } } },
    'a Secret value': {
      resolution: { resolved: { connection: { ...connection, secretsDigest: 'other' }, target } },
    },
    'the engine': {
      resolution: { resolved: { connection: { ...connection, engine: 'other:443' }, target } },
    },
    'the target': { resolution: { resolved: { connection, target: { ...target, port: 81 } } } },
    'a problem of the spec': { specProblem: 'no' },
    'the hostname kept': { previousHostname: 'kept.example.com' },
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`changes with ${what}`, () => {
      expect(planKey(inputOf(change))).not.to.equal(planKey(inputOf()));
    });
  }

  it('does not change with labels, annotations or a status', () => {
    const labelled = tunnelOf({}, { observedGeneration: 2 });
    const metadata = { ...labelled.metadata, resourceVersion: '7', labels: { [CHILD_LABEL.name]: 'x' } };
    expect(planKey(inputOf({ tunnel: { ...labelled, metadata } }))).to.equal(planKey(inputOf()));
  });

  it('is known before the next plan, which keeps the hostname that came out', () => {
    const { config } = planned();
    const next = inputOf({ previousHostname: config.tunnel.hostname });
    expect(nextPlanKey(inputOf(), planned())).to.equal(planKey(next));
    expect(tunnelPlan(next)).to.deep.include({ action: 'apply', hash: planned().hash });
  });
});
