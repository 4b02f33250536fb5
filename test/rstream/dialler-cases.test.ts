// Conformance cases 79, 80, 82 and 83: dialling private tunnels.

import { expect } from 'chai';
import { EngineError } from '../../src/rstream/errors.ts';
import { errorMessage } from '../../src/rstream/messages.ts';
import { dial, dialPackets } from '../support/dialler.ts';
import type { EngineSide } from '../support/engine-side.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { readBytes, rejection } from '../support/streams.ts';

describe('dialling', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const start = (tunnel: string, zeroRtt: boolean, timeoutMs = 10_000) => {
    const transport = engine.transport();
    const dialled = dial({
      engine: engine.address,
      transport,
      token: 'account-token',
      tunnel,
      zeroRtt,
      timeoutMs,
    });
    dialled.catch(() => {});
    return dialled;
  };
  const answer = (side: EngineSide, streamId: string) =>
    side.send({ case: 'streamRsp', value: { payload: { case: 'streamId', value: streamId } } });

  for (const target of ['private-api', 'tun_private']) {
    for (const zeroRtt of [true, false]) {
      it(`case 79: reaches ${target} ${zeroRtt ? 'at once' : 'after an answer'}`, async () => {
        const dialling = start(` ${target} `, zeroRtt);
        const side = await engine.next();
        const request = await side.expect('streamReq');
        if (!zeroRtt) answer(side, 's1');
        const { connection, streamId } = await dialling;
        connection.stream.write('ping');
        side.raw(await side.bytes(4));

        expect(request).to.include({ tunnelIdName: target, zeroRtt });
        expect(request.clientDetails?.token).to.equal('account-token');
        expect(streamId).to.equal(zeroRtt ? undefined : 's1');
        expect((await readBytes(connection.stream, 4)).toString()).to.equal('ping');
      });
    }
  }

  it('case 91: dials again for framed packets when a datagram channel is refused', async () => {
    const quic = await ScriptedQuicEngine.start();
    try {
      const transport = quic.transport();
      const dialling = dialPackets({
        engine: quic.address,
        transport,
        token: 'account-token',
        tunnel: 'packets',
      });
      dialling.catch(() => {});
      const first = await quic.next();
      const wanted = await first.expect('streamReq');
      first.send({
        case: 'streamRsp',
        value: { payload: { case: 'error', value: errorMessage(5000, 'no') } },
      });
      const second = await quic.next();
      const plain = await second.expect('streamReq');
      answer(second, 's1');
      const { packets, kind } = await dialling;
      packets.send(Buffer.from('hi'));

      expect(wanted).to.include({ tunnelIdName: 'packets', zeroRtt: false, datagramChannel: true });
      expect(plain.tunnelIdName).to.equal('packets');
      expect(plain.datagramChannel).to.equal(undefined);
      expect(kind).to.equal('framed');
      expect(await second.bytes(6)).to.deep.equal(Buffer.of(0, 0, 0, 2, 0x68, 0x69));
      packets.close();
      transport.close();
    } finally {
      await quic.stop();
    }
  });

  it('case 80: fails with the code of the engine', async () => {
    const dialling = start('api', false);
    const side = await engine.next();
    const error = errorMessage(3000, 'no such tunnel');
    side.send({ case: 'streamRsp', value: { payload: { case: 'error', value: error } } });

    expect(await rejection(dialling))
      .to.be.instanceOf(EngineError)
      .and.include({ number: 3000 });
    await side.end();
  });

  it('case 80: an empty answer is a protocol error, an empty stream id is not', async () => {
    const empty = start('api', false);
    (await engine.next()).send({ case: 'streamRsp', value: {} });
    expect(await rejection(empty)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');

    const unnamed = start('api', false);
    answer(await engine.next(), '');
    expect((await unnamed).streamId).to.equal('');
  });

  it('case 80: no answer is a timeout', async () => {
    const dialling = start('api', false, 200);
    expect(await rejection(dialling)).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
  });

  it('case 82: blanks are refused without a connection', async () => {
    expect(await rejection(start(' \t ', true))).to.have.property('code', 'ERR_RSTREAM_INVALID_TUNNEL');
    expect(engine.connections).to.have.length(0);
  });

  it('case 83: 32 dials at once each get their own bytes back', async () => {
    const numbers = Array.from({ length: 32 }, (_, index) => index);
    const serve = numbers.map(async () => {
      const side = await engine.next();
      const { zeroRtt, tunnelIdName } = await side.expect('streamReq');
      if (!zeroRtt) answer(side, tunnelIdName);
      side.raw(await side.bytes(9));
    });
    const echoes = numbers.map(async (number) => {
      const { connection } = await start(`tunnel-${number}`, number % 2 === 0);
      connection.stream.write(`payload${String(number).padStart(2, '0')}`);
      return (await readBytes(connection.stream, 9)).toString();
    });

    await Promise.all(serve);
    expect(await Promise.all(echoes)).to.deep.equal(
      numbers.map((n) => `payload${String(n).padStart(2, '0')}`),
    );
  });
});
