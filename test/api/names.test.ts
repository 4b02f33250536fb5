import { expect } from 'chai';

import {
  CHILD_LABEL,
  childBase,
  childLabels,
  childNames,
  defaultTunnelName,
  fnv1a,
  slug,
} from '../../src/api/names.ts';

const UID = '6d1c7d6e-2f0b-4a37-9d1f-3f1f2f7f9a10';

describe('child names', () => {
  const slugs: readonly (readonly [string, string])[] = [
    ['Web', 'web'],
    ['rstream-demo-web', 'rstream-demo-web'],
    ['a.b..c', 'a-b-c'],
    ['--a__b--', 'a-b'],
    ['über web', 'ber-web'],
    ['...', ''],
  ];
  for (const [text, expected] of slugs) {
    it(`slugs ${JSON.stringify(text)} to ${JSON.stringify(expected)}`, () => {
      expect(slug(text)).to.equal(expected);
    });
  }

  it('hashes with 32-bit FNV-1a', () => {
    expect(fnv1a('')).to.equal('811c9dc5');
    expect(fnv1a('a')).to.equal('e40c292c');
    expect(fnv1a('foobar')).to.equal('bf9cf968');
  });

  it('builds the base from name and uid', () => {
    expect(childBase('web', 'foobar')).to.equal('rstream-web-bf9cf968');
    expect(childNames('web', 'foobar')).to.deep.equal({
      base: 'rstream-web-bf9cf968',
      config: 'rstream-web-bf9cf968-config',
    });
  });

  it('cuts the stem to 54 and trims the dash the cut leaves', () => {
    const cutInsideWord = childBase('x'.repeat(100), UID);
    expect(cutInsideWord).to.have.length(63);
    expect(cutInsideWord.slice(0, 54)).to.equal(`rstream-${'x'.repeat(46)}`);

    const cutAtDash = childBase(`${'x'.repeat(45)}-${'y'.repeat(20)}`, UID);
    expect(cutAtDash).to.equal(`rstream-${'x'.repeat(45)}-${fnv1a(UID)}`);
  });

  it('labels children with all eight keys', () => {
    expect(childLabels({ name: 'web', namespace: 'shop', uid: 'foobar' }, 'agent')).to.deep.equal({
      'app.kubernetes.io/name': 'rstream-operator',
      'app.kubernetes.io/managed-by': 'rstream-operator',
      'app.kubernetes.io/instance': 'rstream-web-bf9cf968',
      'app.kubernetes.io/component': 'agent',
      'app.kubernetes.io/part-of': 'rstream',
      'rstream.io/tunnel-name': 'web',
      'rstream.io/tunnel-namespace': 'shop',
      'rstream.io/tunnel-uid': 'foobar',
    });
  });

  it('shortens a name over 63 characters with a hash, and only then', () => {
    const labelOf = (name: string): string | undefined =>
      childLabels({ name, namespace: 'shop', uid: UID }, 'config')[CHILD_LABEL.tunnelName];

    expect(labelOf('n'.repeat(63))).to.equal('n'.repeat(63));
    expect(labelOf(`${'n'.repeat(53)}.${'m'.repeat(30)}`)).to.match(/^n{53}-[0-9a-f]{8}$/);
    expect(labelOf('n'.repeat(253))).to.have.length(63);
    expect(labelOf(`${'n'.repeat(100)}a`)).to.not.equal(labelOf(`${'n'.repeat(100)}b`));
  });

  it('never cuts the default tunnel name', () => {
    expect(defaultTunnelName('shop', 'web')).to.equal('shop-web');
    expect(defaultTunnelName('n'.repeat(63), `a.${'b'.repeat(240)}`)).to.equal(
      `${'n'.repeat(63)}-a-${'b'.repeat(240)}`,
    );
  });
});
