import { expect } from 'chai';
import { parseListenAddress } from '../../src/common/listen-address.ts';

describe('parseListenAddress', () => {
  const good: [string, string | undefined, number][] = [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    [':8081', undefined, 8081],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
  ];
  for (const [text, host, port] of good) {
    it(`takes ${text}`, () => expect(parseListenAddress(text)).to.deep.equal({ host, port }));
  }

  for (const text of [
    '',
    '8080',
    '127.0.0.1',
    '127.0.0.1:',
    'a b:1',
    '::1:80',
    '1.2.3.4:65536',
    '1.2.3.4:x',
  ]) {
    it(`refuses "${text}" and says what to write`, () => {
      expect(() => parseListenAddress(text))
        .to.throw(/write HOST:PORT/)
        .with.property('code', 'ERR_LISTEN_ADDRESS');
    });
  }
});
