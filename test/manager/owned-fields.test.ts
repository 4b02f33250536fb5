import { expect } from 'chai';
import type { KubeManifest } from '../../charts-ts/agent-props.ts';
import { type CachedChild, cacheChild } from '../../src/manager/cached-objects.ts';
import { belongsTo, judgeChild, withAppliedHash } from '../../src/manager/child-judgement.ts';
import { ownedFieldsOf, ownsEveryField } from '../../src/manager/owned-fields.ts';
import { UID } from './fixtures.ts';

const manifest = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: 'n', labels: { a: 'b' } },
  spec: {
    replicas: 1,
    paused: false,
    empty: {},
    command: ['/x'],
    finalizers: ['f'],
    containers: [{ name: 'agent', image: 'i' }],
    ports: [{ containerPort: 80 }],
  },
} as unknown as KubeManifest;
const owned = {
  'f:metadata': { 'f:labels': { 'f:a': {} } },
  'f:spec': {
    'f:replicas': {},
    'f:paused': {},
    'f:command': {},
    'f:finalizers': { 'v:"f"': {} },
    'f:containers': { 'k:{"name":"agent"}': { '.': {}, 'f:name': {}, 'f:image': {} } },
    'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
  },
};
function owns(fieldsV1: object): boolean {
  return ownsEveryField(manifest, ownedFieldsOf(fieldsV1, undefined), undefined);
}

function referring(uid: string): object {
  const reference = { '.': {}, 'f:apiVersion': {}, 'f:kind': {}, 'f:name': {}, 'f:uid': {} };
  return { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${uid}"}`]: reference } } };
}

/** As the API server does it: a parent that is left with nothing goes too. */
function without([key = '', ...rest]: readonly string[], fields: object = owned): object {
  const entries = Object.entries(fields).flatMap(([name, below]: [string, object]): [string, object][] => {
    if (name !== key) return [[name, below]];
    const left = rest.length === 0 ? {} : without(rest, below);
    return Object.keys(left).length === 0 ? [] : [[name, left]];
  });
  return Object.fromEntries(entries);
}

describe('fields that we own', () => {
  it('are all of a manifest nobody touched, empty ones not counted', () => {
    expect(owns(owned)).to.equal(true);
    expect(ownsEveryField(manifest, undefined, undefined)).to.equal(false);
  });

  it('are the same text for the children of any two tunnels, and still tell whose they are', () => {
    const [fields, others] = [UID, 'another-uid'].map((uid) => ownedFieldsOf(referring(uid), uid));
    const child = { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: UID }] };

    expect(fields).to.equal(others);
    expect(ownsEveryField({ metadata: child }, fields, UID)).to.equal(true);
    expect(ownsEveryField({ metadata: child }, others, 'another-uid')).to.equal(false);
  });

  for (const path of [
    ['f:metadata', 'f:labels', 'f:a'],
    ['f:spec', 'f:replicas'],
    ['f:spec', 'f:paused'],
    ['f:spec', 'f:command'],
    ['f:spec', 'f:finalizers', 'v:"f"'],
    ['f:spec', 'f:containers', 'k:{"name":"agent"}'],
    ['f:spec', 'f:containers', 'k:{"name":"agent"}', 'f:image'],
    ['f:spec', 'f:ports', 'k:{"containerPort":80,"protocol":"TCP"}'],
    ['f:spec'],
  ]) {
    it(`miss ${path.join(' ')} once somebody took it`, () => {
      expect(owns(without(path))).to.equal(false);
    });
  }
});

describe("judging a tunnel's child", () => {
  const wanted = withAppliedHash(manifest);
  const annotation = { 'rstream.io/applied-hash': wanted.metadata.annotations?.['rstream.io/applied-hash'] };
  const reference = (uid: string) => ({ apiVersion: 'v1', kind: 'X', name: 'x', uid, controller: true });
  const fieldsV1 = {
    ...owned,
    'f:metadata': { 'f:labels': { 'f:a': {} }, 'f:annotations': { 'f:rstream.io/applied-hash': {} } },
  };
  const ours = { manager: 'rstream-operator', operation: 'Apply', fieldsV1 };
  const made = { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${UID}"}`]: {} } } };
  const byGo = { manager: 'manager', operation: 'Update', fieldsV1: made };

  function child(metadata: object, managedFields: readonly object[]): CachedChild {
    return cacheChild('Deployment', {
      metadata: { name: 'd', namespace: 'n', uid: 'c', resourceVersion: '1', managedFields, ...metadata },
    });
  }
  const owners = [reference(UID)];
  const cases: readonly (readonly [string, CachedChild | undefined, string])[] = [
    ['apply', undefined, 'that is missing'],
    ['keep', child({ ownerReferences: owners, annotations: annotation }, [ours]), 'that is as it should be'],
    [
      'apply',
      child({ ownerReferences: owners, annotations: { 'rstream.io/applied-hash': 'x' } }, [ours]),
      'made from something else',
    ],
    [
      'apply',
      child({ ownerReferences: owners, annotations: annotation }, [
        { ...ours, fieldsV1: without(['f:spec', 'f:replicas']) },
      ]),
      'somebody edited',
    ],
    ['apply', child({ annotations: annotation }, [{ ...ours, fieldsV1: {} }]), 'that lost its owner'],
    ['adopt', child({ ownerReferences: owners }, [byGo]), 'that the Go operator made'],
    [
      'wait',
      child({ ownerReferences: owners, deletionTimestamp: '2026-01-01T00:00:00Z' }, [ours]),
      'that is ending',
    ],
    ['foreign', child({}, []), 'that nobody owns'],
    ['foreign', child({ ownerReferences: [reference('another')] }, [ours]), 'of another tunnel'],
    [
      'foreign',
      child({ ownerReferences: [{ ...reference(UID), controller: false }] }, [byGo]),
      'that only mentions the tunnel',
    ],
    [
      'foreign',
      child({ labels: { 'rstream.io/tunnel-uid': UID } }, [{ ...byGo, manager: 'helm' }]),
      'that only wears its label',
    ],
  ];
  for (const [verdict, live, what] of cases) {
    it(`says ${verdict} to one ${what}`, () => {
      expect(judgeChild(wanted, live, UID)).to.equal(verdict);
      if (live && verdict === 'foreign') expect(belongsTo(live, UID)).to.equal(false);
    });
  }
});
