import { expect } from 'chai';
import { formatEngineAddress, parseEngineAddress } from '../../src/rstream/engine-address.ts';
import { RstreamError } from '../../src/rstream/errors.ts';

describe('parseEngineAddress', () => {
  for (const [text, formatted] of [
    ['x', 'x:443'],
    [' Engine.Example.COM:8443 ', 'engine.example.com:8443'],
    ['192.0.2.1', '192.0.2.1:443'],
    ['[2001:DB8::1]:4443', '[2001:db8::1]:4443'],
    ['[::1]', '[::1]:443'],
    ['x:65535', 'x:65535'],
  ] as const) {
    it(`case 103: reads ${text}`, () => {
      expect(formatEngineAddress(parseEngineAddress(text))).to.equal(formatted);
    });
  }

  for (const text of [
    ...[
      'https://x',
      'x/y',
      'x:0',
      'x:70000',
      'a b',
      'u@x',
      '',
      ' ',
      ':443',
      'x:',
      'x:y',
      'x?y',
      'x#y',
      'x\\y',
    ],
    ...[
      '::1',
      '[x]:1',
      '[::1',
      '-x',
      'x-',
      'x..y',
      'x.',
      `${'a'.repeat(64)}.test`,
      `${'a.'.repeat(127)}a`,
      'x:1:2',
      'é',
    ],
  ]) {
    it(`case 103: refuses "${text.slice(0, 40)}"`, () => {
      expect(() => parseEngineAddress(text))
        .to.throw(RstreamError)
        .with.property('code', 'ERR_RSTREAM_INVALID_ENGINE');
    });
  }
});
