import { expect } from 'chai';
import { type ConnectionOutcome, ConnectionOutcomes } from '../../src/manager/connection-outcome.ts';

const spec = { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } };
const ready = (engine: string): ConnectionOutcome => ({ ready: { spec, engine, secretsDigest: 'd' } });

describe('ConnectionOutcomes', () => {
  it('count only for the very object and generation they were found for', () => {
    const outcomes = new ConnectionOutcomes();
    outcomes.set('shop/default', 'u1', 2, ready('e1:443'));

    expect(outcomes.get('shop/default', 'u1', 2)).to.deep.equal(ready('e1:443'));
    expect(outcomes.get('shop/default', 'u1', 3), 'a later generation').to.equal(undefined);
    expect(outcomes.get('shop/default', 'u2', 2), 'made anew under the name').to.equal(undefined);
    expect(outcomes.get('shop/other', 'u1', 2)).to.equal(undefined);
    outcomes.delete('shop/default');
    expect(outcomes.get('shop/default', 'u1', 2)).to.equal(undefined);
    expect(outcomes.size).to.equal(0);
  });

  it('are news when they are others, or of another generation or object', () => {
    const outcomes = new ConnectionOutcomes();
    expect(outcomes.set('shop/default', 'u1', 2, ready('e1:443'))).to.equal(true);
    expect(outcomes.set('shop/default', 'u1', 2, ready('e1:443'))).to.equal(false);
    expect(outcomes.set('shop/default', 'u1', 2, ready('e2:443'))).to.equal(true);
    expect(outcomes.set('shop/default', 'u1', 3, ready('e2:443'))).to.equal(true);
    expect(outcomes.set('shop/default', 'u2', 3, ready('e2:443'))).to.equal(true);
  });
});
