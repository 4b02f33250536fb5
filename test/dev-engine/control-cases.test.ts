// Framing and control connections as the engine has to handle them, driven by a scripted client.

import { expect } from 'chai';
import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { encodeMessage } from '../../src/rstream/messages.ts';
import { bytesOf, vectorOf } from '../support/byte-vectors.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { details, RawAgent, RawConnection, type RawOptions } from '../support/raw-client.ts';

describe('dev engine: control connections', () => {
  let engine: Engine;
  before(async () => {
    engine = await startTestEngine();
  });
  after(() => engine.close());

  const openReq = (overrides = {}, liveness?: number) =>
    ({
      case: 'openControlChannelReq',
      value: {
        clientDetails: { ...details('T'), ...overrides },
        ...(liveness && { liveness: { heartbeatIntervalMs: liveness } }),
      },
    }) as const;

  async function refusalFor(overrides: object, certificate: RawOptions = {}) {
    const client = await RawConnection.connect(engine, certificate);
    client.send(openReq(overrides));
    const { payload } = await client.expect('openControlChannelRsp');
    expect(payload.case).to.equal('error');
    expect((await client.rest()).length).to.equal(0);
    client.close();
    return payload.case === 'error' ? payload.value : undefined;
  }

  it('case 1: reads a frame that arrives one byte at a time', async () => {
    const client = await RawConnection.connect(engine);
    client.socket.setNoDelay(true);
    for (const byte of encodeMessage(openReq())) client.write(Uint8Array.of(byte));
    expect((await client.expect('openControlChannelRsp')).payload.case).to.equal('ok');
    client.close();
  });

  it('case 2: processes two frames of one segment in order', async () => {
    const client = await RawConnection.connect(engine);
    const close = { case: 'closeControlChannelReq', value: {} } as const;
    client.write(Buffer.concat([encodeMessage(openReq()), encodeMessage(close)]));
    expect((await client.next()).case).to.equal('openControlChannelRsp');
    expect((await client.next()).case).to.equal('closeControlChannelRsp');
    client.close();
  });

  it('case 3: ends the connection at a header over 65 535 before any body, and reads 65 535', async () => {
    const refused = await RawConnection.connect(engine);
    refused.write(Buffer.from([0, 1, 0, 0]));
    expect((await refused.rest()).length).to.equal(0);
    refused.close();

    const client = await RawConnection.connect(engine);
    const bare = encodeMessage(openReq()).length - 4;
    // As long as it takes: each of the four lengths around it takes two bytes more than before.
    const agent = 'a'.repeat(65_535 - bare + 'test'.length - 8);
    const frame = encodeMessage(openReq({ agent }));
    expect(frame.length - 4).to.equal(65_535);
    client.write(frame);
    expect((await client.expect('openControlChannelRsp')).payload.case).to.equal('ok');
    client.close();
  });

  it('case 7: an end in the middle of a frame ends only that connection', async () => {
    const agent = await RawAgent.start(engine);
    const { id } = await agent.open({ publish: false });
    agent.control.write(Buffer.from([0, 0, 0, 9, 1]));
    agent.control.socket.end();
    await eventually('its tunnel is gone', () => engine.registry.tunnel(id ?? '') === undefined);
    const other = await RawAgent.start(engine);
    other.close();
    agent.close();
  });

  it('case 8: understands the byte vectors of a client, and answers in kind', async () => {
    const control = await RawConnection.connect(engine);
    control.write(vectorOf('openControlChannelReq'));
    const { payload } = await control.expect('openControlChannelRsp');
    expect(payload.case === 'ok' && payload.value.liveness).to.include({ heartbeatIntervalMs: 5_000 });
    control.write(vectorOf('openTunnelReq'));
    const opened = await control.expect('openTunnelRsp');
    expect(opened.requestId).to.equal('q1');
    const tunnel = engine.registry.tunnels.find(({ properties }) => properties.name === 'web');
    expect(tunnel?.properties).to.include({ name: 'web', type: 'bytestream', publish: false });
    expect(tunnel?.properties.labels).to.deep.equal({ a: 'b' });
    for (const kind of ['datagramChannelClose', 'proxyConnRsp', 'serverMessage'] as const) {
      control.write(vectorOf(kind));
    }
    control.write(Buffer.concat([vectorOf('heartbeat'), vectorOf('closeTunnelReq')]));
    control.write(vectorOf('closeControlChannelReq'));
    const answers = [bytesOf('00 00 00 04 7a 02 10 01'), vectorOf('closeTunnelRsp')];
    expect(await control.rest()).to.deep.equal(
      Buffer.concat([...answers, vectorOf('closeControlChannelRsp')]),
    );
    control.close();

    const dialler = await RawConnection.connect(engine);
    dialler.write(vectorOf('streamReq'));
    const { payload: refused } = await dialler.expect('streamRsp');
    expect(refused.case === 'error' && refused.value.code).to.equal(1000);
    dialler.close();
    const dialBack = await RawConnection.connect(engine);
    dialBack.write(vectorOf('proxyReq'));
    expect((await dialBack.rest()).length).to.equal(0);
    dialBack.close();
  });

  it('ignores an empty frame, and ends the channel at one that is no message', async () => {
    const agent = await RawAgent.start(engine);
    agent.control.write(Buffer.from('00000000', 'hex'));
    await agent.open({ publish: false });
    agent.control.write(Buffer.from('00000001ff', 'hex'));
    await eventually('the channel has ended', () => agent.ended);
    agent.close();
  });

  it('case 9: selects rstrm/1, with and without a server name, over TLS 1.3', async () => {
    for (const options of [{}, { serverName: 'some.engine.test' }]) {
      const client = await RawConnection.connect(engine, options);
      expect(client.socket.alpnProtocol).to.equal('rstrm/1');
      expect(client.socket.getProtocol()).to.equal('TLSv1.3');
      client.close();
    }
    const silent = await RawConnection.connect(engine, { alpn: [] });
    silent.send(openReq());
    expect((await silent.expect('openControlChannelRsp')).payload.case).to.equal('ok');
    silent.close();
  });

  it('case 12: accepts with a client id of its own', async () => {
    const [one, two] = [await RawAgent.start(engine), await RawAgent.start(engine)];
    expect(one.clientId).to.match(/^cli_[0-9a-f]+$/);
    expect(two.clientId).not.to.equal(one.clientId);
    one.close();
    two.close();
  });

  it('case 16: refuses a missing, malformed or incompatible protocol version', async () => {
    expect((await refusalFor({ protocolVersion: undefined }))?.code).to.equal(2010);
    expect((await refusalFor({ protocolVersion: 'x' }))?.code).to.equal(2020);
    expect((await refusalFor({ protocolVersion: '2.0.0' }))?.code).to.equal(2030);
    expect((await refusalFor({ protocolVersion: '1.4.1', token: 'x' }))?.code).to.equal(1000);
  });

  it('case 17: refuses a wrong token, no token and a foreign certificate with 1000 and closes', async () => {
    for (const token of ['wrong', undefined]) {
      expect((await refusalFor({ token }))?.code).to.equal(ErrorCode.UNAUTHORIZED);
    }
    const foreign = await (await createCertificateAuthority()).issueClient('robot');
    expect((await refusalFor({ token: undefined }, foreign))?.code).to.equal(ErrorCode.UNAUTHORIZED);
  });

  it('accepts a client certificate of its own authority instead of a token', async () => {
    const agent = await RawAgent.start(engine, await engine.authority.issueClient('robot'));
    expect(engine.registry.client(agent.clientId)?.user).to.equal('robot');
    agent.close();
  });

  it('does not take a server certificate for a client certificate', async () => {
    const refused = RawAgent.start(engine, await engine.authority.issueServer(['robot.test']));
    expect(await refused.catch((error: Error) => error.message)).to.contain('refused');
  });

  it('case 20: answers CloseControlChannelReq before closing, and all tunnels of the client are gone', async () => {
    const agent = await RawAgent.start(engine);
    const tunnels = [await agent.open({ publish: false }), await agent.open({ protocol: 'http' })];
    agent.control.send({ case: 'closeControlChannelReq', value: {} });
    await eventually('the channel has ended', () => agent.ended);
    for (const { id } of tunnels) expect(engine.registry.tunnel(id ?? '')).to.equal(undefined);
    agent.close();

    const plain = await RawConnection.connect(engine);
    plain.send(openReq());
    await plain.next();
    plain.send({ case: 'closeControlChannelReq', value: {} });
    expect((await plain.rest()).toString('hex')).to.equal('000000022200');
    plain.close();
  });

  it('case 39: without liveness in the request there is none in the answer and never a heartbeat', async () => {
    const client = await RawConnection.connect(engine);
    client.send(openReq());
    const { payload } = await client.expect('openControlChannelRsp');
    expect(payload.case === 'ok' && payload.value.liveness).to.equal(undefined);
    client.send({ case: 'heartbeat', value: {} });
    client.send({ case: 'heartbeat', value: { sequence: 1n } });
    client.send({ case: 'closeControlChannelReq', value: {} });
    expect((await client.next()).case).to.equal('closeControlChannelRsp');
    client.close();
  });

  it('case 40: acknowledges heartbeats in order, never more than it received', async () => {
    const client = await RawConnection.connect(engine);
    client.send(openReq({}, 1000));
    const { payload } = await client.expect('openControlChannelRsp');
    const liveness = payload.case === 'ok' ? payload.value.liveness : undefined;
    expect(liveness?.heartbeatIntervalMs).to.equal(1000);
    expect(liveness?.heartbeatTimeoutMs).to.be.within(1000, 900_000);

    for (const sequence of [1n, 2n, 3n, 3n, 2n, 4n]) client.send({ case: 'heartbeat', value: { sequence } });
    for (const acknowledgement of [1n, 2n, 3n, 4n]) {
      const heartbeat = await client.expect('heartbeat');
      expect(heartbeat.sequence).to.equal(0n);
      expect(heartbeat.acknowledgement).to.equal(acknowledgement);
    }
    client.close();
  });

  it('closes a silent client after the negotiated timeout, and a legacy client never', async () => {
    const clock = new ManualClock();
    const patient = await startTestEngine({ clock });
    const [negotiated, legacy] = [await RawConnection.connect(patient), await RawConnection.connect(patient)];
    negotiated.send(openReq({}, 1000));
    legacy.send(openReq());
    await negotiated.next();
    await legacy.next();
    await clock.advance(14_999);
    expect(patient.registry.clients.length).to.equal(2);
    await clock.advance(1);
    expect((await negotiated.rest()).length).to.equal(0);
    await clock.advance(3_600_000);
    expect(patient.registry.clients.length).to.equal(1);
    negotiated.close();
    legacy.close();
    await patient.close();
  });

  it('drops a connection that sends no first message in time', async () => {
    const clock = new ManualClock();
    const strict = await startTestEngine({ clock });
    const client = await RawConnection.connect(strict);
    await eventually('the connection is accepted', () => strict.recorder.entries.length > 0);
    await clock.advance(10_000);
    expect((await client.rest()).length).to.equal(0);
    await strict.close();
  });

  it('refuses further connections at its bound', async () => {
    const small = await startTestEngine({ maxConnections: 1 });
    const first = await RawConnection.connect(small);
    const second = await RawConnection.connect(small).catch((error: Error) => error);
    expect(second).to.be.instanceOf(Error);
    first.close();
    await small.close();
  });
});
