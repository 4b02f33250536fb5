import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/object.ts';
import { compareVersions, Store } from '../../src/kube/store.ts';

interface Thing extends KubeObject {
  readonly refs?: readonly string[];
}

const thing = (
  name: string,
  resourceVersion: string,
  more: { uid?: string; refs?: string[]; namespace?: string } = {},
): Thing => {
  const { uid = `uid-${name}`, refs = [], namespace = 'n' } = more;
  return { metadata: { name, namespace, uid, resourceVersion }, refs };
};
const brief = (changes: readonly { type: string; object: Thing }[]) =>
  changes.map(({ type, object }) => `${type} ${object.metadata.name}@${object.metadata.resourceVersion}`);

describe('Store', () => {
  let store: Store<Thing>;

  beforeEach(() => {
    store = new Store({ refs: (object) => object.refs ?? [] });
  });

  it('adds what is new, updates what is newer and ignores the rest', () => {
    expect(brief(store.set(thing('a', '9')))).to.deep.equal(['add a@9']);
    expect(brief(store.set(thing('a', '10')))).to.deep.equal(['update a@10']);
    expect(store.set(thing('a', '10'))).to.deep.equal([]);
    expect(store.set(thing('a', '9'))).to.deep.equal([]);
    expect(store.get({ namespace: 'n', name: 'a' })?.metadata.resourceVersion).to.equal('10');
  });

  it('reports an object made again under its name as a deletion and an addition', () => {
    store.set(thing('a', '1'));
    expect(brief(store.set(thing('a', '5', { uid: 'other' })))).to.deep.equal(['delete a@1', 'add a@5']);
  });

  it('never brings back what was deleted, however late an answer comes', () => {
    store.set(thing('a', '1'));
    expect(brief(store.delete(thing('a', '3')))).to.deep.equal(['delete a@3']);
    expect(store.set(thing('a', '2'))).to.deep.equal([]);
    expect(store.size).to.equal(0);
    expect(brief(store.set(thing('a', '4', { uid: 'other' })))).to.deep.equal(['add a@4']);
  });

  it('takes back what left a label selector and returned as a newer version', () => {
    store.set(thing('a', '1'));
    store.delete(thing('a', '3'));
    expect(brief(store.set(thing('a', '4')))).to.deep.equal(['add a@4']);
  });

  it('ignores the late deletion of an object that was made again', () => {
    store.set(thing('a', '7', { uid: 'new' }));
    expect(store.delete(thing('a', '6', { uid: 'old' }))).to.deep.equal([]);
    expect(store.size).to.equal(1);
  });

  it('takes an object back that had left a selector, but only as a newer version', () => {
    store.set(thing('a', '1'));
    store.delete(thing('a', '5'));
    expect(store.set(thing('a', '5'))).to.deep.equal([]);
    expect(brief(store.set(thing('a', '6')))).to.deep.equal(['add a@6']);
    expect(store.delete(thing('a', '5')), 'a late event').to.deep.equal([]);
    expect(store.size).to.equal(1);
  });

  it('forgets the oldest deletions when there are very many', () => {
    for (let count = 0; count <= 4096; count += 1) store.delete(thing(`t${count}`, '3'));
    expect(store.set(thing('t4096', '2'))).to.deep.equal([]);
    expect(brief(store.set(thing('t0', '2')))).to.deep.equal(['add t0@2']);
  });

  it('keeps indexes in step', () => {
    store.set(thing('a', '1', { refs: ['x', 'y'] }));
    store.set(thing('b', '2', { refs: ['x'] }));
    const found = (value: string) => store.byIndex('refs', value).map((object) => object.metadata.name);
    expect(found('x')).to.deep.equal(['a', 'b']);

    store.set(thing('a', '3', { refs: ['y', 'constructor', '__proto__'] }));
    expect(found('x')).to.deep.equal(['b']);
    expect(found('constructor')).to.deep.equal(['a']);
    expect(found('__proto__')).to.deep.equal(['a']);
    store.delete(thing('a', '4'));
    expect(found('y')).to.deep.equal([]);
    expect(() => store.byIndex('other', 'x')).to.throw(RangeError);
  });

  describe('replace', () => {
    it('reports what is missing from a list as deleted, in its namespace only', () => {
      store.set(thing('a', '1'));
      store.set(thing('b', '2'));
      store.set(thing('c', '3', { namespace: 'other' }));

      expect(
        brief(store.replace('n', { resourceVersion: '10', items: [thing('b', '8'), thing('d', '9')] })),
      ).to.deep.equal(['delete a@1', 'update b@8', 'add d@9']);
      expect(store.size).to.equal(3);
    });

    it('says nothing about what did not change', () => {
      store.set(thing('a', '1'));
      expect(store.replace(undefined, { resourceVersion: '10', items: [thing('a', '1')] })).to.deep.equal([]);
    });

    it('believes a list from before what it knows only when the server was rewound', () => {
      store.set(thing('a', '100'));
      store.set(thing('b', '101'));
      store.set(thing('c', '102'));
      store.delete(thing('c', '103'));
      const list = { resourceVersion: '60', items: [thing('a', '50'), thing('c', '51')] };
      expect(store.replace(undefined, list)).to.deep.equal([]);
      expect(brief(store.replace(undefined, list, { rewound: true }))).to.deep.equal([
        'delete b@101',
        'update a@50',
        'add c@51',
      ]);
    });

    it('keeps what was written after the list was taken', () => {
      store.set(thing('a', '12'));
      expect(store.replace(undefined, { resourceVersion: '10', items: [] })).to.deep.equal([]);
      expect(brief(store.replace(undefined, { resourceVersion: '13', items: [] }))).to.deep.equal([
        'delete a@12',
      ]);
    });
  });
});

describe('compareVersions', () => {
  const cases: [string | undefined, string | undefined, number | undefined][] = [
    ['9', '10', -1],
    ['10', '9', 1],
    ['10', '10', 0],
    ['18446744073709551615', '18446744073709551614', 1],
    ['a', 'b', undefined],
    ['01', '2', undefined],
    [undefined, '1', undefined],
  ];
  for (const [a, b, order] of cases) {
    it(`orders ${a} and ${b}`, () => {
      const result = compareVersions(a, b);
      expect(result === undefined ? undefined : Math.sign(result)).to.equal(order);
    });
  }
});
