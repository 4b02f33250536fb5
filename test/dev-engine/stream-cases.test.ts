// Proxied streams and private dials, driven by a scripted agent and a scripted dialler.

import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { details, RawAgent, RawConnection } from '../support/raw-client.ts';

describe('dev engine: streams', () => {
  let engine: Engine;
  const agents: RawAgent[] = [];
  before(async () => {
    engine = await startTestEngine();
  });
  afterEach(() => {
    for (const agent of agents.splice(0)) agent.close();
    engine.faults = { ...engine.faults, silent: false };
  });
  after(() => engine.close());

  async function serve(name: string, options: Parameters<typeof RawAgent.start>[1] = {}, on = engine) {
    const agent = await RawAgent.start(on, options);
    agents.push(agent);
    const { id = '' } = await agent.open({ publish: false, name });
    return { agent, id };
  }

  async function dial(tunnelIdName: string, zeroRtt: boolean, early = '', on = engine, token = 'T') {
    const client = await RawConnection.connect(on);
    client.send({ case: 'streamReq', value: { clientDetails: details(token), tunnelIdName, zeroRtt } });
    if (early) client.write(early);
    return client;
  }

  /** A control connection whose ProxyConnReqs nobody answers but the test. */
  async function silentAgent(name: string, on = engine) {
    const control = await RawConnection.connect(on);
    control.send({ case: 'openControlChannelReq', value: { clientDetails: details('T') } });
    await control.next();
    control.send({
      case: 'openTunnelReq',
      value: { requestId: '1', tunnelProperties: { publish: false, name } },
    });
    await control.next();
    return control;
  }

  it('case 61: with zero-RTT no ProxyRsp is sent and bytes right behind ProxyReq arrive intact', async () => {
    const control = await silentAgent('eager');
    const dialler = await dial('eager', true);
    const { streamId, secret } = await control.expect('proxyConnReq');
    const back = await RawConnection.connect(engine);
    back.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId, zeroRtt: true } });
    back.write('right behind');
    expect(String(await dialler.read(12))).to.equal('right behind');
    dialler.write('answer');
    expect(String(await back.read(6))).to.equal('answer');
    for (const connection of [control, dialler, back]) connection.close();
  });

  it('case 74: relays as soon as ProxyReq is there, without ProxyConnRsp', async () => {
    const control = await silentAgent('early-bird');
    const dialler = await dial('early-bird', false);
    const { streamId, secret } = await control.expect('proxyConnReq');
    const back = await RawConnection.connect(engine);
    back.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId } });
    await back.expect('proxyRsp');
    const { payload } = await dialler.expect('streamRsp');
    expect(payload).to.deep.equal({ case: 'streamId', value: streamId });
    back.write('go');
    expect(String(await dialler.read(2))).to.equal('go');
    for (const connection of [control, dialler, back]) connection.close();
  });

  it('names streams by 24 hex digits, with a secret and the address they come from', async () => {
    const { agent } = await serve('facts');
    const dialler = await dial('facts', false);
    await dialler.next();
    const [request] = agent.requests;
    expect(request?.streamId).to.match(/^[0-9a-f]{24}$/);
    expect(request?.secret).to.match(/^[0-9a-f]{32}$/);
    expect(request?.sourceIp?.addr).to.deep.equal({ case: 'v4', value: 0x7f000001 });
    dialler.close();
  });

  it('case 75: an error from the agent fails that dialler at once and nobody else', async () => {
    const control = await silentAgent('moody');
    const [one, two] = [await dial('moody', false), await dial('moody', false)];
    const [first, second] = [await control.expect('proxyConnReq'), await control.expect('proxyConnReq')];
    const error = { code: 4000, message: 'no thanks' };
    control.send({ case: 'proxyConnRsp', value: { streamId: first.streamId, error } });
    const answers = await Promise.race([one.next(), two.next()]);
    expect(answers.case === 'streamRsp' && answers.value.payload.case).to.equal('error');

    const back = await RawConnection.connect(engine);
    back.send({
      case: 'proxyReq',
      value: { clientDetails: details(second.secret), streamId: second.streamId },
    });
    expect((await back.expect('proxyRsp')).error).to.equal(undefined);
    for (const connection of [control, one, two, back]) connection.close();
  });

  it('case 76: gives up on a dial-back after the configured wait and refuses a later one', async () => {
    const impatient = await startTestEngine({ streamTimeoutMs: 50 });
    const control = await silentAgent('late', impatient);
    const dialler = await dial('late', false, '', impatient);
    const { streamId, secret } = await control.expect('proxyConnReq');
    const { payload } = await dialler.expect('streamRsp');
    expect(payload.case === 'error' && payload.value.code).to.equal(6000);
    const back = await RawConnection.connect(impatient);
    back.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId } });
    expect((await back.expect('proxyRsp')).error?.code).to.equal(4000);
    for (const connection of [control, dialler, back]) connection.close();
    await impatient.close();
  });

  it('case 77: refuses an unknown stream and a wrong secret, in words or by closing', async () => {
    const control = await silentAgent('guarded');
    const dialler = await dial('guarded', true);
    const { streamId, secret } = await control.expect('proxyConnReq');
    const attempts = [
      { id: 'f'.repeat(24), token: secret, code: 4000 },
      { id: streamId, token: 'guess', code: 1000 },
      { id: streamId, token: undefined, code: 1000 },
    ];
    for (const { id, token, code } of attempts) {
      const clientDetails = details(token);
      const spoken = await RawConnection.connect(engine);
      spoken.send({ case: 'proxyReq', value: { clientDetails, streamId: id, zeroRtt: false } });
      expect((await spoken.expect('proxyRsp')).error?.code).to.equal(code);
      expect((await spoken.rest()).length).to.equal(0);
      const mute = await RawConnection.connect(engine);
      mute.send({ case: 'proxyReq', value: { clientDetails, streamId: id, zeroRtt: true } });
      expect((await mute.rest()).length).to.equal(0);
      spoken.close();
      mute.close();
    }
    // The wrong guesses have not used the stream up; the right secret works once.
    for (const expected of [undefined, 4000]) {
      const back = await RawConnection.connect(engine);
      back.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId, zeroRtt: false } });
      expect((await back.expect('proxyRsp')).error?.code).to.equal(expected);
    }
    control.close();
    dialler.close();
  });

  it('case 78: an end of one side reaches the other after all bytes, which can still answer', async () => {
    const blob = randomBytes(3_000_000);
    const whole: Buffer[] = [];
    const onStream = (socket: TLSSocket) => {
      socket.on('data', (chunk: Buffer) => whole.push(chunk));
      socket.on('end', () => socket.end(`got ${Buffer.concat(whole).length}`));
      socket.resume();
    };
    await serve('half', { onStream });
    const dialler = await dial('half', true);
    dialler.write(blob);
    dialler.socket.end();
    expect(String(await dialler.rest())).to.equal(`got ${blob.length}`);
    expect(Buffer.concat(whole).equals(blob)).to.equal(true);
    dialler.close();
  });

  it('case 79: echoes a private tunnel dialled by name and by id, with zero-RTT and without', async () => {
    const { id } = await serve('private-api');
    for (const target of ['private-api', id]) {
      for (const zeroRtt of [true, false]) {
        const dialler = await dial(target, zeroRtt);
        if (!zeroRtt) await dialler.expect('streamRsp');
        dialler.write('ping');
        expect(String(await dialler.read(4))).to.equal('ping');
        dialler.close();
      }
    }
  });

  it('finds the id before the name and the newest of several names', async () => {
    const say = (word: string) => ({ onStream: (socket: TLSSocket) => void socket.end(word) });
    const { id } = await serve('twice', say('old'));
    await serve('twice', say('new'));
    await serve(id, say('imposter'));
    expect(String(await (await dial('twice', true)).rest())).to.equal('new');
    expect(String(await (await dial(id, true)).rest())).to.equal('old');
  });

  it('case 81: an unknown tunnel closes a zero-RTT dial without bytes and answers the other with 3000', async () => {
    expect((await (await dial('nowhere', true)).rest()).length).to.equal(0);
    const { payload } = await (await dial('nowhere', false)).expect('streamRsp');
    expect(payload.case === 'error' && payload.value.code).to.equal(3000);
  });

  it('refuses a dial with a wrong token, in words or by closing', async () => {
    const { payload } = await (await dial('private-api', false, '', engine, 'x')).expect('streamRsp');
    expect(payload.case === 'error' && payload.value.code).to.equal(1000);
    expect((await (await dial('private-api', true, '', engine, 'x')).rest()).length).to.equal(0);
  });

  it('case 83: 32 parallel dials, every other with zero-RTT, each get their own bytes back', async () => {
    await serve('busy', { zeroRtt: false });
    const echoes = Array.from({ length: 32 }, async (_, index) => {
      const dialler = await dial('busy', index % 2 === 0);
      if (index % 2) await dialler.expect('streamRsp');
      const payload = randomBytes(10_000);
      dialler.write(payload);
      const same = (await dialler.read(payload.length)).equals(payload);
      dialler.close();
      return same;
    });
    expect(await Promise.all(echoes)).to.deep.equal(Array.from({ length: 32 }, () => true));
  });

  it('case 84: what a zero-RTT dialler wrote before the agent was there arrives first and whole', async () => {
    const control = await silentAgent('slow');
    const blob = randomBytes(200_000);
    const dialler = await dial('slow', true, 'first,');
    dialler.write(blob);
    const { streamId, secret } = await control.expect('proxyConnReq');
    await eventually('the stream waits', () => engine.broker.pending === 1);
    const back = await RawConnection.connect(engine);
    back.send({ case: 'proxyReq', value: { clientDetails: details(secret), streamId, zeroRtt: true } });
    expect(String(await back.read(6))).to.equal('first,');
    expect((await back.read(blob.length)).equals(blob)).to.equal(true);
    for (const connection of [control, dialler, back]) connection.close();
  });

  it('fails waiting diallers when the agent disconnects', async () => {
    const control = await silentAgent('fleeting');
    const dialler = await dial('fleeting', false);
    await control.expect('proxyConnReq');
    control.close();
    const { payload } = await dialler.expect('streamRsp');
    expect(payload.case === 'error' && payload.value.code).to.equal(6000);
    dialler.close();
  });

  it('asks one agent for at most 256 streams at once; the others wait their turn', async () => {
    const control = await silentAgent('crowded');
    const diallers = await Promise.all(Array.from({ length: 260 }, () => dial('crowded', true)));
    await eventually('256 are asked for', () => engine.broker.pending === 256);
    for (let count = 0; count < 256; count++) await control.expect('proxyConnReq');
    control.close();
    for (const dialler of diallers) expect((await dialler.rest()).length).to.equal(0);
    await eventually('nothing waits', () => engine.broker.pending === 0);
  });

  for (const mode of ['keep', 'cut'] as const) {
    it(`with --streams-on-close ${mode} a closed tunnel's streams ${mode === 'keep' ? 'go on' : 'end'}`, async () => {
      const other = await startTestEngine({ streamsOnClose: mode });
      const { agent, id } = await serve('held', {}, other);
      const dialler = await dial('held', false, '', other);
      await dialler.expect('streamRsp');
      agent.control.send({ case: 'closeTunnelReq', value: { tunnelId: id } });
      await eventually('it is closed', () => agent.closedTunnels.length === 1);
      if (mode === 'cut') expect((await dialler.rest()).length).to.equal(0);
      else {
        dialler.write('still');
        expect(String(await dialler.read(5))).to.equal('still');
      }
      dialler.close();
      await other.close();
    });
  }

  it('keeps streams when a control connection is lost without a word, even with cut', async () => {
    const other = await startTestEngine({ streamsOnClose: 'cut' });
    const { agent } = await serve('dropped', {}, other);
    const dialler = await dial('dropped', false, '', other);
    await dialler.expect('streamRsp');
    agent.close();
    await eventually('the client is gone', () => other.registry.clients.length === 0);
    dialler.write('alive');
    expect(String(await dialler.read(5))).to.equal('alive');
    dialler.close();
    await other.close();
  });
});
