// Conformance cases 87 to 90 and 92 to 94: QUIC and mode auto, against an engine over our own listener.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { createTransport } from '../../src/rstream/create-transport.ts';
import { errorMessage } from '../../src/rstream/messages.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { okResponse, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { acceptBytes, newStreamId, readBytes, rejection } from '../support/streams.ts';

const never = new AbortController().signal;
const datagram = { type: 'datagram', publish: false } as const;

describe('QUIC', () => {
  let engine: ScriptedQuicEngine;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
  });
  afterEach(() => engine.stop());

  const open = async (
    transport = engine.transport() as Parameters<typeof openControlChannel>[0]['transport'],
    limits = {},
  ) => {
    const opening = openControlChannel({
      engine: engine.address,
      transport,
      clock: systemClock,
      heartbeatIntervalMs: 'off',
      limits,
    });
    opening.catch(() => {});
    const control = await engine.next();
    await control.expect('openControlChannelReq');
    control.send(okResponse());
    return { channel: await opening, control };
  };
  const request = (streamId: string) =>
    ({ case: 'proxyConnReq', value: { tunnelId: 't1', streamId, secret: 's' } }) as const;

  it('carries bytes both ways with half-close, and bulk intact', async () => {
    const { stream } = await engine.transport().connect({ engine: engine.address }, never);
    const bulk = Buffer.alloc(3_000_000, 'quic');
    stream.end(bulk);
    const side = await engine.next();
    expect((await side.toEnd()).equals(bulk)).to.equal(true);
    side.stream.end('received');
    expect((await readBytes(stream, 8)).toString()).to.equal('received');
  });

  it('never loses an end, however close it follows the last bytes', async () => {
    const transport = engine.transport();
    for (let round = 0; round < 60; round += 1) {
      const { stream } = await transport.connect({ engine: engine.address }, never);
      stream.write('open');
      const side = await engine.next();
      await side.text(4);
      side.stream.end('hello');
      stream.pipe(stream);
      expect(String(await side.toEnd())).to.equal('hello');
    }
    transport.close();
    await eventually('all streams are done with', () => engine.listener.connections.size === 0);
  });

  it('does not trust an engine under another authority or name', async () => {
    const stranger = new QuicTransport({ clock: systemClock });
    expect(await rejection(stranger.connect({ engine: engine.address }, never))).to.have.property(
      'code',
      'ERR_RSTREAM_TRANSPORT',
    );

    const material = { ca: engine.ca };
    const misnamed = new QuicTransport({
      clock: systemClock,
      material: () => material,
      serverName: 'other.test',
    });
    expect(await rejection(misnamed.connect({ engine: engine.address }, never))).to.have.property(
      'code',
      'ERR_RSTREAM_TRANSPORT',
    );

    const address = new QuicTransport({
      clock: systemClock,
      material: () => material,
      serverName: '127.0.0.9',
    });
    const error = await rejection(address.connect({ engine: engine.address }, never));
    expect(error).to.have.property('message').that.contains('certificate is not for 127.0.0.9');
  });

  it('tells the engine of an abort', async () => {
    const connection = await engine.transport().connect({ engine: engine.address }, never);
    connection.stream.write('half of it');
    const side = await engine.next();
    await side.text(10);
    const failed = once(side.stream, 'error');
    connection.reset();
    await failed;
  });

  it('case 87: a datagram tunnel needs no dial-back', async () => {
    const opened = await open();
    const tunnel = await openTunnel(opened, datagram, { type: 'datagram' });
    opened.control.send(request('0123456789abcdef01234567'));
    expect((await opened.control.expect('proxyConnRsp')).error).to.equal(undefined);
    const stream = await tunnel.accept();
    if (stream?.kind !== 'packets') throw new Error('expected packets');
    const theirs = engine.datagrams?.open(Buffer.from('0123456789abcdef01234567', 'hex'));
    const atEngine = new Promise((resolve) => theirs?.receive((packet) => resolve(packet.toString())));
    const atAgent = new Promise((resolve) => stream.packets.receive((packet) => resolve(packet.toString())));
    stream.packets.send(Buffer.from('to the engine'));
    theirs?.send(Buffer.from('to the agent'));

    expect(await atEngine).to.equal('to the engine');
    expect(await atAgent).to.equal('to the agent');
    expect(engine.streams).to.equal(1);
    expect(stream.packets.send(Buffer.alloc(2_000))).to.equal(false);
  });

  it('case 88: an id that names no channel, or one in use, is refused', async () => {
    const opened = await open();
    await openTunnel(opened, datagram, { type: 'datagram' });
    const answerTo = async (id: string) => {
      opened.control.send(request(id));
      return (await opened.control.expect('proxyConnRsp')).error?.message;
    };
    for (const id of ['0123', 'zz23456789abcdef01234567', '0123456789abcdef0123456z']) {
      expect(await answerTo(id)).to.equal('the stream id does not name a datagram channel');
    }
    expect(await answerTo('0123456789abcdef01234567')).to.equal(undefined);
    expect(await answerTo('01234567-89ab-cdef-0123-4567')).to.equal('the datagram channel is in use');
    expect(engine.streams, 'nobody dialled back').to.equal(1);
  });

  it('case 89: guaranteed delivery dials back and frames its packets', async () => {
    const opened = await open();
    const tunnel = await openTunnel(opened, datagram, { type: 'datagram', datagramGuaranteedDelivery: true });
    opened.control.send(request(newStreamId()));
    const dialled = await engine.next();
    await dialled.proxyReq();
    const stream = await tunnel.accept();
    if (stream?.kind !== 'packets') throw new Error('expected packets');
    stream.packets.send(Buffer.from('hi'));
    expect(await dialled.bytes(6)).to.deep.equal(Buffer.of(0, 0, 0, 2, 0x68, 0x69));
  });

  it('case 89: so does a redirect, and goes where it points', async () => {
    const ingress = await ScriptedQuicEngine.start();
    try {
      const opened = await open();
      const tunnel = await openTunnel(opened, datagram, { type: 'datagram' });
      const proxyEndpoint = `localhost:${ingress.address.port}`;
      const { case: kind, value } = request(newStreamId());
      opened.control.send({ case: kind, value: { ...value, proxyEndpoint } });
      const dialled = await ingress.next();
      await dialled.proxyReq();
      const stream = await tunnel.accept();
      if (stream?.kind !== 'packets') throw new Error('expected packets');
      stream.packets.send(Buffer.from('hi'));
      expect(await dialled.bytes(6)).to.deep.equal(Buffer.of(0, 0, 0, 2, 0x68, 0x69));
    } finally {
      await ingress.stop();
    }
  });

  it('case 90: closing a channel tells the other side, and unknown ids do no harm', async () => {
    const opened = await open();
    const tunnel = await openTunnel(opened, datagram, { type: 'datagram' });
    opened.control.send({ case: 'datagramChannelClose', value: { streamId: 'unknown' } });
    const ids = [newStreamId(), newStreamId()] as const;
    const flows = [];
    for (const id of ids) {
      opened.control.send(request(id));
      await opened.control.expect('proxyConnRsp');
      const stream = await tunnel.accept();
      if (stream?.kind !== 'packets') throw new Error('expected packets');
      flows.push(stream.packets);
    }
    flows[0]?.close();
    expect(await opened.control.expect('datagramChannelClose')).to.include({ streamId: ids[0] });
    opened.control.send({ case: 'datagramChannelClose', value: { streamId: ids[1] } });
    await flows[1]?.closed;
    void opened.channel.openTunnel({}).catch(() => {});
    await opened.control.expect('openTunnelReq');
  });

  it('case 90: a channel that was refused is not closed again', async () => {
    const opened = await open(undefined, { unacceptedStreams: 1 });
    await openTunnel(opened, datagram, { type: 'datagram' });
    for (const refused of [false, true]) {
      opened.control.send(request(newStreamId()));
      expect((await opened.control.expect('proxyConnRsp')).error === undefined).to.equal(!refused);
    }
    void opened.channel.openTunnel({}).catch(() => {});
    await opened.control.expect('openTunnelReq');
  });

  it('case 93: auto uses QUIC for datagram tunnels, one connection for all', async () => {
    const material = { ca: engine.ca };
    const { transport } = createTransport({ datagram: true, tls: { material: () => material } }, systemClock);
    const opened = await open(transport);
    const tunnel = await openTunnel(opened);
    opened.control.send(request(newStreamId()));
    await (await engine.next()).proxyReq();
    await acceptBytes(tunnel);

    expect(opened.channel.mode).to.equal('quic');
    expect(engine.streams).to.equal(2);
    expect(engine.listener.connections.size).to.equal(1);
  });

  it('case 94: a refusal over QUIC is final: no attempt over TLS follows', async () => {
    const { from: port } = await freePorts(1);
    let overTls = 0;
    const tls = createServer(() => (overTls += 1)).listen(port, '127.0.0.1');
    await once(tls, 'listening');
    await engine.stop();
    engine = await ScriptedQuicEngine.start(port);
    // Its hands stand still, so that being slow here never looks like QUIC failing.
    const clock = new ManualClock();
    const material = { ca: engine.ca };
    const { transport } = createTransport({ datagram: true, tls: { material: () => material } }, clock);
    try {
      const opening = openControlChannel({ engine: engine.address, transport, clock: systemClock });
      opening.catch(() => {});
      const error = errorMessage(1000, 'no');
      (await engine.next()).send({
        case: 'openControlChannelRsp',
        value: { payload: { case: 'error', value: error } },
      });
      expect(await rejection(opening)).to.include({ number: 1000 });
      await clock.advance(10_000);
      expect(overTls).to.equal(0);
    } finally {
      transport.close();
      tls.close();
    }
  });

  it('ends streams and channels when the engine goes', async () => {
    const opened = await open();
    await Promise.all([...engine.listener.connections].map((connection) => connection.close('restart')));
    expect((await opened.channel.done).kind).to.equal('soft');
  });
});

describe('mode auto', () => {
  for (const datagram of [true, false]) {
    it(`case 92: uses TLS where no QUIC is (${datagram ? 'datagram' : 'bytestream'} tunnel), and stays with it`, async () => {
      const engine = await ScriptedEngine.start();
      try {
        const material = { ca: engine.ca };
        const { transport } = createTransport({ datagram, tls: { material: () => material } }, systemClock);
        const { channel, control } = await engine.open({ transport });
        await openTunnel({ channel, control });
        control.send({
          case: 'proxyConnReq',
          value: { tunnelId: 't1', streamId: newStreamId(), secret: 's' },
        });
        await (await engine.next()).proxyReq();
        expect(channel.mode).to.equal('tls');
      } finally {
        await engine.stop();
      }
    });
  }
});
