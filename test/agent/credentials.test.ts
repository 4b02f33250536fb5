import { expect } from 'chai';
import { withoutCredentials } from '../../src/agent/credentials.ts';

const env = {
  RSTREAM_AUTHENTICATION_TOKEN: ' token-1\n',
  RSTREAM_PROXY_USERNAME: 'some-user',
  RSTREAM_PROXY_PASSWORD: 'pass/word',
  OTHER_USER: 'other-user',
  OTHER_PASSWORD: 'other-password',
};
const basic = (text: string) => Buffer.from(text).toString('base64');

describe("an agent's credentials", () => {
  it('are not repeated, neither as they are nor as they are sent', () => {
    const redact = withoutCredentials(env);
    const said = `token-1, some-user, pass/word and Basic ${basic('some-user:pass/word')} are not taken`;
    expect(redact(said)).to.equal('(secret), (secret), (secret) and Basic (secret) are not taken');
  });

  it('are those that the configuration names', () => {
    const redact = withoutCredentials(env, { usernameEnv: 'OTHER_USER', passwordEnv: 'OTHER_PASSWORD' });
    const said = `token-1 other-user other-password ${basic('other-user:other-password')} some-user`;
    expect(redact(said)).to.equal('(secret) (secret) (secret) (secret) some-user');
  });

  it('are none where there are none', () => {
    expect(withoutCredentials({}, {})('undefined:undefined')).to.equal('undefined:undefined');
  });
});
