// Conformance cases 1 to 8: framing, seen from a client whose engine is scripted.

import { create, toJson } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { MessageSchema } from '../../generated/protobuf/rstream_pb.js';
import { messageOf } from '../../src/common/errors.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { encodeFrame } from '../../src/rstream/frame.ts';
import { formatIpAddress } from '../../src/rstream/ip-address.ts';
import { decodeMessage, encodeMessage } from '../../src/rstream/messages.ts';
import { bytesOf, byteVectors, vectorOf } from '../support/byte-vectors.ts';
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
    const lengths: number[] = [];
    const observer = { serverMessage: (text: string) => lengths.push(text.length) };
    const { channel, control } = await engine.open({ observer });
    const largest = encodeMessage({ case: 'serverMessage', value: { message: 'x'.repeat(65_526) } });
    expect(largest.readUInt32BE(0)).to.equal(65_535);
    control.raw(largest);
    await openTunnel({ channel, control });
    expect(lengths).to.deep.equal([65_526]);
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

describe('the byte vectors', () => {
  for (const [hex, payload] of byteVectors) {
    it(`case 8: ${payload.case} ${hex.slice(12, 60)}`, () => {
      const bytes = bytesOf(hex);
      expect(bytes.readUInt32BE(0)).to.equal(bytes.length - 4);
      const message = decodeMessage(bytes.subarray(4));
      if (message instanceof Error) throw message;
      expect(toJson(MessageSchema, message)).to.deep.equal(
        toJson(MessageSchema, create(MessageSchema, { payload })),
      );
    });
  }

  it('case 8: hold the address of a visitor', () => {
    const message = decodeMessage(vectorOf('proxyConnReq').subarray(4));
    if (message instanceof Error || message.payload.case !== 'proxyConnReq')
      throw new Error('another message');
    expect(formatIpAddress(message.payload.value.sourceIp)).to.equal('192.0.2.10');
  });
});
