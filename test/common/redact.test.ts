import { expect } from 'chai';
import { redactor } from '../../src/common/redact.ts';

describe('redactor', () => {
  it('takes every secret out, however often it is there', () => {
    const redact = redactor(['token-1', 'password']);
    expect(redact('token-1 is not token-2; password, and token-1 again')).to.equal(
      '(secret) is not token-2; (secret), and (secret) again',
    );
  });

  it('leaves nothing of one that holds another', () => {
    expect(redactor(['secret', 'secret-and-more'])('secret-and-more')).to.equal('(secret)');
  });

  it('takes secrets for text, not for patterns', () => {
    expect(redactor(['a.*+$&?b'])('a.*+$&?b, axxb')).to.equal('(secret), axxb');
  });

  it('leaves nothing of one that was cut off at the end of a long text', () => {
    const redact = redactor(['password', 'token-of-the-account']);
    const words = 'word '.repeat(20);
    for (const [end, expected] of [
      ['token-of-the-accoun', '(secret)'],
      ['token-', '(secret)'],
      ['passwo', '(secret)'],
      ['token', 'token'],
    ]) {
      expect(redact(words + end)).to.equal(words + expected);
    }
    expect(redact('short, and not cut: token-of-the')).to.equal('short, and not cut: token-of-the');
  });

  it('leaves text alone where there is no secret, or one so short that it would hit words', () => {
    for (const secrets of [[], [undefined], [''], ['T'], ['agent']]) {
      expect(redactor(secrets)('The agent is stuck')).to.equal('The agent is stuck');
    }
  });
});
