import { expect } from 'chai';
import { NameRegistry, wordsOf } from '../../src/manager/name-registry.ts';

describe('NameRegistry', () => {
  let names: NameRegistry;
  beforeEach(() => {
    names = new NameRegistry();
  });
  const claim = (tunnel: string, rstreamName: string, more: { engine?: string; statusName?: string } = {}) =>
    names.claim({ tunnel, rstreamName, engine: 'e:443', statusName: undefined, ...more });

  it('tells the second user of a name about the first, once', () => {
    expect(claim('n/a', 'shop')).to.deep.equal([]);
    expect(claim('n/b', 'shop')).to.deep.equal(['n/a']);
    expect(claim('n/b', 'shop')).to.deep.equal([]);
    expect(claim('n/a', 'shop')).to.deep.equal([]);
  });

  it('names three others at most, and none of another namespace', () => {
    expect(wordsOf(['n/b', 'n/c', 'm/d', 'n/e', 'n/f'], 'n/a')).to.equal('n/b, n/c, n/e');
    expect(wordsOf(['m/b', 'nn/c'], 'n/a')).to.equal('a tunnel of another namespace');
  });

  it('keeps engines apart, and names', () => {
    claim('n/a', 'shop');
    expect(claim('n/b', 'shop', { engine: 'other:443' })).to.deep.equal([]);
    expect(claim('n/c', 'store')).to.deep.equal([]);
  });

  it('tells again what is new: another name, or a tunnel that comes back', () => {
    claim('n/a', 'shop');
    claim('n/b', 'store');
    expect(claim('n/b', 'shop')).to.deep.equal(['n/a']);
    names.release('n/b');
    expect(claim('n/b', 'shop', { statusName: 'shop' })).to.deep.equal(['n/a']);
  });

  it('tells nothing anew after a restart', () => {
    expect(claim('n/a', 'shop', { statusName: 'shop' })).to.deep.equal([]);
    expect(claim('n/b', 'shop', { statusName: 'shop' })).to.deep.equal([]);
    expect(claim('n/c', 'shop')).to.deep.equal(['n/a', 'n/b']);
  });

  it('keeps nothing of tunnels that are gone', () => {
    claim('n/a', 'shop');
    claim('n/b', 'shop');
    names.forget('n/a');
    names.forget('n/b');
    expect(names.size).to.equal(0);
    expect(claim('n/c', 'shop')).to.deep.equal([]);
  });
});
