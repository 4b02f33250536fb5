import { expect } from 'chai';
import { TunnelMemories } from '../../src/manager/tunnel-memory.ts';

describe('TunnelMemories', () => {
  it('keep what is noted of a tunnel, and nothing for one made anew under its name', () => {
    const memories = new TunnelMemories();
    const gone: string[] = [];
    const of = (uid: string) => memories.of('shop/web', uid, (before) => gone.push(before));
    of('u1').hostname = 'a.example.com';

    expect(of('u1')).to.deep.equal({ hostname: 'a.example.com' });
    expect(gone).to.deep.equal([]);
    expect(of('u2')).to.deep.equal({});
    expect(gone).to.deep.equal(['u1']);
    expect(memories.forget('shop/web')).to.equal('u2');
    expect(memories.size).to.equal(0);
  });
});
