import { expect } from 'chai';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { checkTokenFresh } from '../../src/rstream/token.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { rejection } from '../support/streams.ts';

const now = new Date('2026-01-01T00:00:00Z');
const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
const seconds = now.getTime() / 1000;

describe('checkTokenFresh', () => {
  for (const token of [jwt({ exp: seconds }), jwt({ exp: seconds - 1 }), jwt({ exp: 0 })]) {
    it(`case 102: refuses ${token}`, () => {
      expect(() => checkTokenFresh(token, now))
        .to.throw(RstreamError)
        .with.property('code', 'ERR_RSTREAM_TOKEN_EXPIRED');
    });
  }

  for (const token of [
    'opaque',
    'a.b.c',
    'a.%%.c',
    jwt({ exp: seconds + 1 }),
    jwt({ exp: '0' }),
    jwt(null),
    jwt({}),
  ]) {
    it(`case 102: lets ${token} pass`, () => {
      checkTokenFresh(token, now);
    });
  }

  it('case 102: an expired token never leaves this machine', async () => {
    const engine = await ScriptedEngine.start();
    try {
      const error = await rejection(openControlChannel(engine.options({ token: jwt({ exp: 1 }) })));
      expect(error).to.have.property('code', 'ERR_RSTREAM_TOKEN_EXPIRED');
      expect(error).to.have.property('message').that.does.not.contain('e30');
      expect(engine.connections).to.have.length(0);
    } finally {
      await engine.stop();
    }
  });
});
