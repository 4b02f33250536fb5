// Conformance cases 1 to 8: framing, seen from a client whose engine is scripted.

import { expect } from 'chai';
import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { messageOf } from '../../src/common/errors.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { encodeFrame } from '../../src/rstream/frame.ts';
import { formatIpAddress } from '../../src/rstream/ip-address.ts';
import { decodeMessage, encodeMessage } from '../../src/rstream/messages.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { okResponse, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptStream, rejection } from '../support/streams.ts';

describe('framing', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  it('case 1: decodes a handshake that arrives one byte at a time', async () => {
    const opening = openControlChannel(engine.options());
    const control = await engine.next();
    await control.expect('openControlChannelReq');
    for (const byte of encodeMessage(okResponse())) {
      await new Promise<void>((resolve) => control.stream.write(Buffer.of(byte), () => resolve()));
    }

    expect((await opening).clientId).to.equal('cli_1');
  });

  it('case 2: processes two frames of one segment in order', async () => {
    const messages: string[] = [];
    const { control } = await engine.open({ observer: { serverMessage: (text) => messages.push(text) } });
    const frames = ['one', 'two'].map((message) =>
      encodeMessage({ case: 'serverMessage', value: { message } }),
    );
    control.raw(Buffer.concat([...frames, encodeMessage({ case: 'closeControlChannelRsp', value: {} })]));

    await control.end();
    expect(messages).to.deep.equal(['one', 'two']);
  });

  it('case 3: fails on a header announcing 65 536 before any body; 65 535 is accepted', async () => {
    const { channel, control } = await engine.open();
    const largest = encodeFrame(
      encodeMessage({ case: 'serverMessage', value: { message: 'x'.repeat(65_526) } }).subarray(4),
    );
    expect(largest.readUInt32BE(0)).to.equal(65_535);
    control.raw(largest);
    control.raw(Buffer.of(0, 1, 0, 0));

    const end = await channel.done;
    expect(end.kind).to.equal('hard');
    expect(end).to.have.nested.property('error.code', 'ERR_RSTREAM_FRAME_TOO_LARGE');
  });

  it('case 4: refuses to send more than a frame holds, and writes nothing', async () => {
    const { channel, control } = await engine.open();
    const tooBig = channel.openTunnel({ labels: new Map([['big', 'x'.repeat(70_000)]]) });

    expect(await rejection(tooBig)).to.have.property('code', 'ERR_RSTREAM_FRAME_TOO_LARGE');
    const closing = channel.close();
    await control.expect('closeControlChannelReq');
    control.send({ case: 'closeControlChannelRsp', value: {} });
    await closing;
  });

  it('case 5: ends with a protocol error on garbage, and closes accepted streams', async () => {
    const opened = await engine.open();
    const { dialled } = await acceptStream(engine, opened, await openTunnel(opened));
    opened.control.raw(Buffer.of(0, 0, 0, 1, 0xff));

    expect(await opened.channel.done).to.have.nested.property('error.code', 'ERR_RSTREAM_PROTOCOL');
    await dialled.end();
  });

  it('case 6: ignores empty frames and unknown payloads, and counts them as life', async () => {
    const clock = new ManualClock();
    const liveness = { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 1_000 };
    const { channel, control } = await engine.open({ clock, heartbeatIntervalMs: 1_000 }, { liveness });
    const unknown = encodeFrame(Buffer.of(0xfa, 0x3f, 0x01, 0x00));

    for (const frame of [encodeFrame(Buffer.alloc(0)), unknown]) {
      await clock.advance(900);
      control.raw(frame);
      await openTunnel({ channel, control }, {}, { id: `probe-${frame.length}` });
    }
    await clock.advance(900);

    expect(await Promise.race([channel.done, 'alive'])).to.equal('alive');
  });

  for (const [where, bytes] of [
    ['a header', Buffer.of(0, 0)],
    ['a body', Buffer.of(0, 0, 0, 9, 0x12)],
  ] as const) {
    it(`case 7: takes an end of file inside ${where} for a transport error`, async () => {
      const { channel, control } = await engine.open();
      control.stream.end(bytes);

      const end = await channel.done;
      expect(end.kind).to.equal('soft');
      expect(end).to.have.nested.property('error.code', 'ERR_RSTREAM_TRANSPORT');
      expect(messageOf(end.kind === 'soft' && end.error)).to.contain('in the middle of a frame');
    });
  }
});

describe('case 8: the byte vectors', () => {
  const decode = (hex: string) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(bytes.readUInt32BE(0)).to.equal(bytes.length - 4);
    const message = decodeMessage(bytes.subarray(4));
    if (message instanceof Error) throw message;
    return message.payload;
  };
  const vectors: readonly (readonly [string, string, object | undefined])[] = [
    ['00 00 00 02 1a 00', 'closeControlChannelReq', undefined],
    ['00 00 00 02 22 00', 'closeControlChannelRsp', undefined],
    ['00 00 00 06 3a 04 0a 02 74 31', 'closeTunnelReq', { tunnelId: 't1' }],
    ['00 00 00 06 42 04 0a 02 74 31', 'closeTunnelRsp', { tunnelId: 't1' }],
    ['00 00 00 02 7a 00', 'heartbeat', { sequence: 0n, acknowledgement: 0n }],
    ['00 00 00 04 7a 02 08 01', 'heartbeat', { sequence: 1n }],
    ['00 00 00 04 7a 02 10 01', 'heartbeat', { acknowledgement: 1n }],
    ['00 00 00 06 52 04 0a 02 73 31', 'proxyConnRsp', { streamId: 's1' }],
    ['00 00 00 0f 5a 0d 0a 05 32 03 0a 01 73 12 02 73 31 1a 00', 'proxyReq', { zeroRtt: false }],
    ['00 00 00 11 5a 0f 0a 05 32 03 0a 01 73 12 02 73 31 1a 02 08 01', 'proxyReq', { zeroRtt: true }],
    ['00 00 00 02 62 00', 'proxyRsp', undefined],
    ['00 00 00 07 82 01 04 0a 02 68 69', 'serverMessage', { message: 'hi' }],
    ['00 00 00 07 8a 01 04 0a 02 73 31', 'datagramChannelClose', { streamId: 's1' }],
  ];

  for (const [hex, kind, value] of vectors) {
    it(`case 8: ${kind} ${hex.slice(12)}`, () => {
      const payload = decode(hex);
      expect(payload.case).to.equal(kind);
      if (value) expect(payload.value).to.deep.include(value);
    });
  }

  it('case 8: an error inside a ProxyConnRsp', () => {
    const payload = decode('00 00 00 10 52 0e 0a 02 73 31 12 08 08 a0 1f 12 03 0a 01 78');
    expect(payload.value).to.have.nested.property('error.code', ErrorCode.INVALID_STREAM);
    expect(payload.value).to.have.nested.property('error.message', 'x');
  });

  it('case 8: a StreamRsp whose stream id is empty, and one without payload', () => {
    expect(decode('00 00 00 04 72 02 0a 00').value).to.deep.include({
      payload: { case: 'streamId', value: '' },
    });
    expect(decode('00 00 00 02 72 00').value).to.have.nested.property('payload.case', undefined);
  });

  it('case 8: a ProxyConnReq with secret, address and endpoint', () => {
    const payload = decode(
      `00 00 00 35 4a 33 0a 02 74 31 12 18 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 30 31 32 33 34 35 36 37
       1a 03 0a 01 73 22 05 0d 0a 02 00 c0 2a 07 0a 05 65 3a 34 34 33`.replaceAll(/\s+/g, ''),
    );
    if (payload.case !== 'proxyConnReq') throw new Error('expected a ProxyConnReq');
    const { tunnelId, streamId, secret, proxyEndpoint, sourceIp } = payload.value;
    expect({ tunnelId, streamId, secret, proxyEndpoint }).to.deep.equal({
      tunnelId: 't1',
      streamId: '0123456789abcdef01234567',
      secret: 's',
      proxyEndpoint: 'e:443',
    });
    expect(formatIpAddress(sourceIp)).to.equal('192.0.2.10');
  });
});
