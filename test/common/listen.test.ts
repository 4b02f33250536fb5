import { createServer } from 'node:net';
import { expect } from 'chai';
import { listen } from '../../src/common/listen.ts';

describe('listen', () => {
  it('resolves with the port that the system chose', async () => {
    const server = createServer();
    const port = await listen(server, { host: '127.0.0.1', port: 0 }, '--listen');

    expect(server.address()).to.have.property('port', port);
    server.close();
  });

  const refused = [
    ['an address of another machine', '192.0.2.1', '--listen 192.0.2.1:8443: this machine does not have'],
    ['one in brackets', '2001:db8::1', '--listen [2001:db8::1]:8443: '],
    ['a name that is none', 'name.invalid', '--listen name.invalid:8443: '],
  ] as const;
  for (const [what, host, words] of refused) {
    it(`says which flag named ${what}`, async () => {
      const error = await listen(createServer(), { host, port: 8443 }, '--listen').catch((thrown) => thrown);

      expect(error).to.have.property('code', 'ERR_LISTEN');
      expect(error.message).to.include(words);
    });
  }
});
