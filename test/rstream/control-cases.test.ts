// Conformance cases 10 to 26: opening and closing a control channel.

import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { EngineError } from '../../src/rstream/errors.ts';
import { errorMessage, type Payload } from '../../src/rstream/messages.ts';
import { testAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { okResponse, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptStream, dialBack, rejection } from '../support/streams.ts';

const closeRsp: Payload = { case: 'closeControlChannelRsp', value: {} };

const megabyte = 1024 * 1024;

describe('opening a control channel', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  it('case 10: offers exactly rstrm/1 and names the host, for control, dial-backs and redirects', async () => {
    const offered: string[][] = [];
    const strict = await ScriptedEngine.start({
      ALPNProtocols: undefined,
      ALPNCallback: ({ protocols }: { protocols: string[] }) => {
        offered.push(protocols);
        return protocols[0];
      },
    } as object);
    try {
      const opened = await strict.open();
      await openTunnel(opened);
      const proxyEndpoint = `localhost:${strict.address.port}`;
      const sides = [opened.control];
      for (const request of [{}, { proxyEndpoint }]) {
        sides.push((await dialBack(strict, opened.control, request)).dialled);
      }
      expect(offered).to.deep.equal([['rstrm/1'], ['rstrm/1'], ['rstrm/1']]);
      expect(sides.map(({ serverName }) => serverName)).to.deep.equal([
        'localhost',
        'localhost',
        'localhost',
      ]);
    } finally {
      await strict.stop();
    }
  });

  it('case 10: sends no server name to an IP literal, and checks the certificate all the same', async () => {
    const literal = { ...engine.address, host: '127.0.0.1' };
    const opening = openControlChannel(engine.options({ engine: literal }));
    const control = await engine.next();
    control.send(okResponse());

    await opening;
    expect(control.serverName).to.equal(false);
  });

  it('case 10: sends and checks a configured server name instead', async () => {
    const literal = { ...engine.address, host: '127.0.0.1' };
    const transport = engine.transport({ serverName: 'localhost' });
    const { control } = await engine.open({ engine: literal, transport });

    expect(control.serverName).to.equal('localhost');
  });

  it('case 11: introduces itself first', async () => {
    const opening = openControlChannel(engine.options({ version: '9.8.7' }));
    const control = await engine.next();
    const { clientDetails } = await control.expect('openControlChannelReq');
    control.send(okResponse());
    await opening;

    expect(clientDetails).to.include({
      agent: 'rstream-operator',
      version: '9.8.7',
      os: process.platform,
      arch: process.arch,
      protocolVersion: '1.4.5',
      token: 'account-token',
    });
  });

  it('case 11: sends no token when there is none', async () => {
    const opening = openControlChannel(engine.options({ token: undefined }));
    const control = await engine.next();
    const { clientDetails } = await control.expect('openControlChannelReq');
    control.send(okResponse());
    await opening;

    expect(clientDetails?.token).to.equal(undefined);
  });

  it('case 11: authenticates with a client certificate and no token', async () => {
    const mutual = await ScriptedEngine.start({ requestCert: true, rejectUnauthorized: false });
    try {
      const { certificate, issueClient } = await testAuthority();
      const material = { ca: certificate, ...(await issueClient('agent-1')) };
      const transport = engine.transport({ material: () => material, clientCertificate: true });
      const { control } = await mutual.open({ transport, token: undefined });

      const { stream } = control;
      expect(stream instanceof TLSSocket && stream.getPeerCertificate().subject.CN).to.equal('agent-1');
    } finally {
      await mutual.stop();
    }
  });

  it('case 13: fails with the code and words of the engine', async () => {
    const opening = openControlChannel(engine.options());
    const control = await engine.next();
    control.send({
      case: 'openControlChannelRsp',
      value: { payload: { case: 'error', value: errorMessage(4000, 'control failed') } },
    });

    const error = await rejection(opening);
    expect(error).to.be.instanceOf(EngineError);
    expect(error).to.include({ number: 4000, message: 'control failed', code: 'ERR_RSTREAM_ENGINE' });
    await control.end();
  });

  it('case 14: gives up on an engine that never answers', async () => {
    const clock = new ManualClock();
    const opening = openControlChannel(engine.options({ clock }));
    opening.catch(() => {});
    const control = await engine.next();
    await control.expect('openControlChannelReq');
    await eventually('the answer is awaited', () => clock.nextDelayMs === 30_000);
    await clock.advance(30_000);

    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
    await control.end();
    expect(clock.pending).to.equal(0);
  });

  for (const [what, payload] of [
    ['another message', { case: 'openTunnelRsp', value: {} }],
    ['an answer that is neither ok nor error', { case: 'openControlChannelRsp', value: {} }],
    ['an empty message', undefined],
  ] as const) {
    it(`case 15: takes ${what} as first answer for a protocol error`, async () => {
      const opening = openControlChannel(engine.options());
      const control = await engine.next();
      if (payload) control.send(payload);
      else control.raw(Buffer.alloc(4));

      expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');
      await control.end();
    });
  }

  it('takes an engine that hangs up before its answer for a transport error', async () => {
    const opening = openControlChannel(engine.options());
    (await engine.next()).stream.end();
    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
  });

  it('does not trust a stranger', async () => {
    const transport = engine.transport({ material: undefined });
    const error = await rejection(openControlChannel(engine.options({ transport })));
    expect(error).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    expect(error).to.have.property('message').that.contains(`localhost:${engine.address.port}`);
  });

  it('case 18: refuses token and client certificate together, without traffic', async () => {
    const transport = engine.transport({ clientCertificate: true });
    const error = await rejection(openControlChannel(engine.options({ transport })));

    expect(error).to.have.property('code', 'ERR_RSTREAM_AUTH_CONFLICT');
    expect(engine.connections).to.have.length(0);
  });

  it('case 25: a cancelled opening fails as closed, and its socket goes', async () => {
    const cancel = new AbortController();
    const opening = openControlChannel(engine.options(), cancel.signal);
    opening.catch(() => {});
    const control = await engine.next();
    await control.expect('openControlChannelReq');
    cancel.abort();
    control.send(okResponse());

    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_CLIENT_CLOSED');
    await control.end();
  });
});

describe('the end of a control channel', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  it('case 19: asks once and ends cleanly', async () => {
    const { channel, control } = await engine.open();
    const closing = channel.close();
    await control.expect('closeControlChannelReq');
    control.send(closeRsp);
    await closing;

    expect(await channel.done).to.deep.equal({ kind: 'clean', by: 'client' });
    expect(await control.toEnd()).to.have.length(0);
  });

  it('case 21: closes anyway when the engine does not answer', async () => {
    const clock = new ManualClock();
    const { channel, control } = await engine.open({ clock });
    const closing = channel.close();
    closing.catch(() => {});
    await control.expect('closeControlChannelReq');
    await clock.advance(30_000);

    expect(await rejection(closing)).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
    expect((await channel.done).kind).to.equal('hard');
    await control.end();
  });

  it('case 22: eight closes at once are one request', async () => {
    const { channel, control } = await engine.open();
    const closing = Promise.all(Array.from({ length: 8 }, () => channel.close()));
    await control.expect('closeControlChannelReq');
    control.send(closeRsp);
    await closing;

    expect(await control.toEnd()).to.have.length(0);
  });

  it('case 23: an unasked CloseControlChannelRsp ends it cleanly, tunnels included', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    opened.control.send(closeRsp);

    expect(await opened.channel.done).to.deep.equal({ kind: 'clean', by: 'engine' });
    expect(await tunnel.done).to.equal('channel');
    expect(await tunnel.accept()).to.equal(undefined);
  });

  it('case 24: reports a lost connection and fails what was pending', async () => {
    const { channel, control } = await engine.open();
    const opening = channel.openTunnel({});
    opening.catch(() => {});
    await control.expect('openTunnelReq');
    control.destroy();

    const end = await channel.done;
    expect(end.kind).to.equal('soft');
    expect(end).to.have.nested.property('error.code', 'ERR_RSTREAM_TRANSPORT');
    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_CONTROL_CLOSED');
    expect(await rejection(channel.openTunnel({}))).to.have.property('code', 'ERR_RSTREAM_CONTROL_CLOSED');
  });

  it('case 26: a ServerMessage changes nothing', async () => {
    const opened = await engine.open();
    opened.control.send({ case: 'serverMessage', value: { message: 'maintenance at noon' } });

    expect(await openTunnel(opened)).to.have.property('id', 't1');
  });

  it('drops the connection without a word, and streams live on', async () => {
    const opened = await engine.open();
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    opened.channel.drop();

    expect(await opened.control.toEnd()).to.have.length.lessThan(64);
    stream.connection.stream.write('still here');
    expect(await dialled.text(10)).to.equal('still here');
  });

  it('stops reading requests while the engine does not read their answers', async () => {
    const transport = engine.transport();
    const connect = transport.connect.bind(transport);
    let answers: Duplex | undefined;
    transport.connect = async (...how) => {
      const connection = await connect(...how);
      answers = connection.stream;
      return connection;
    };
    const { channel, control } = await engine.open({ transport });
    control.stream.pause();
    const request = { tunnelId: 'nobody', streamId: 's'.repeat(1_000) };
    for (let count = 0; count < 25_000; count += 1) control.send({ case: 'proxyConnReq', value: request });
    let [before, same] = [0, 0];
    await eventually('nothing moves any more', () => {
      const now = control.stream.writableLength;
      same = now === before ? same + 1 : 0;
      before = now;
      return same >= 15;
    });
    expect(control.stream.writableLength, 'requests held back').to.be.above(megabyte);
    expect(answers?.writableLength, 'answers held').to.be.below(megabyte);

    control.stream.resume();
    await control.expect('proxyConnRsp');
    await eventually('it reads on', () => control.stream.writableLength === 0);
    expect(await Promise.race([channel.done, 'alive'])).to.equal('alive');
  });
});
