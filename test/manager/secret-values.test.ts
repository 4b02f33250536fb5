import { expect } from 'chai';
import type { KubeClient } from '../../src/kube/client.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { readSecretValues, type SecretUse } from '../../src/manager/secret-values.ts';
import { json, object, status } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('reading Secret values', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
  });
  afterEach(async () => {
    await server.stop();
  });

  const holds = (data: Record<string, string>) => {
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    return json(200, { ...object('credentials', 1), data: Object.fromEntries(encoded) });
  };
  const use = (key: string, field = `spec.${key}`): SecretUse => ({
    ...{ field, key, name: 'credentials', isAgents: true },
  });
  const read = async (...uses: readonly SecretUse[]) =>
    await readSecretValues(client, 'shop', uses, new AbortController().signal);

  it('asks for each Secret once, by name, and gives the values by field', async () => {
    server.otherwise('get', holds({ token: 'one', other: 'two', unused: 'three' }));
    const result = await read(use('token'), use('other'));

    expect(result).to.deep.equal({
      values: new Map([
        ['spec.token', 'one'],
        ['spec.other', 'two'],
      ]),
    });
    expect(server.requests.map(({ path }) => path)).to.deep.equal([
      '/api/v1/namespaces/shop/secrets/credentials',
    ]);
  });

  it('gives each byte of a value as one character, as headers carry them', async () => {
    server.otherwise('get', holds({ token: 'é' }));
    expect(await read(use('token'))).to.deep.equal({ values: new Map([['spec.token', '\u00c3\u00a9']]) });
  });

  const missing = [
    ['a Secret', status(404, 'NotFound'), 'token', 'Secret "credentials" (spec.token) does not exist'],
    ['data', json(200, object('credentials', 1)), 'token', 'has no key "token"'],
    ['a key', holds({ other: 'x' }), 'token', 'has no key "token"'],
    [
      'a key of the name that every object has',
      holds({ other: 'x' }),
      'constructor',
      'has no key "constructor"',
    ],
    ['a value', holds({ token: '' }), 'token', 'is empty'],
    ['anything but blanks', holds({ token: ' \n' }), 'token', 'is empty'],
  ] as const;
  for (const [what, answer, key, words] of missing) {
    it(`says SecretMissing without ${what}, and what to do`, async () => {
      server.otherwise('get', answer);
      const result = await read(use(key));

      if (!('blocked' in result)) throw new Error('it was read');
      expect(result.blocked.reason).to.equal('SecretMissing');
      expect(result.blocked.message).to.include(words);
    });
  }

  it('says so when it may not read it, to be tried again', async () => {
    server.otherwise('get', status(403, 'Forbidden'));
    const result = await read(use('token'));
    expect(result).to.deep.include({ forbidden: true });
    expect(result).to.have.nested.property('blocked.reason', 'SecretMissing');
  });

  it('takes no other failure for an answer', async () => {
    server.otherwise('get', status(500, 'InternalError'));
    const failed = await read(use('token')).catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(ApiError).with.property('status', 500);
  });
});
