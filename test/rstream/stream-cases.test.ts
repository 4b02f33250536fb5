// Conformance cases 59 to 73 and 78: streams dialled back.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import type { DialBackOutcome } from '../../src/rstream/client-types.ts';
import { resetSocket } from '../../src/rstream/connection.ts';
import { errorMessage } from '../../src/rstream/messages.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type OpenChannel, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptBytes, acceptStream, dialBack, echo, newStreamId, readBytes } from '../support/streams.ts';

describe('streams', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const refusal = async ({ control }: OpenChannel) => (await control.skipTo('proxyConnRsp')).error;

  for (const zeroRtt of [true, false]) {
    it(`case 59: dials back with zero_rtt ${zeroRtt}, then says so, and carries bytes both ways`, async () => {
      const opened = await engine.open({ zeroRtt });
      const tunnel = await openTunnel(opened);
      const { dialled, proxyReq } = await dialBack(engine, opened.control, { streamId: 'stream-1' });
      if (!zeroRtt) dialled.send({ case: 'proxyRsp', value: {} });
      const answer = await opened.control.expect('proxyConnRsp');
      echo(await acceptBytes(tunnel));
      dialled.raw('hello');

      expect(proxyReq).to.include({ streamId: 'stream-1', zeroRtt });
      expect(proxyReq.clientDetails?.token).to.equal('stream-secret');
      expect(answer).to.deep.include({ streamId: 'stream-1' });
      expect(answer.error).to.equal(undefined);
      expect(await dialled.text(5)).to.equal('hello');
    });
  }

  it('case 60: never sends the account token back', async () => {
    const opened = await engine.open();
    await openTunnel(opened);
    const { proxyReq } = await dialBack(engine, opened.control, { secret: undefined });

    expect(proxyReq.clientDetails?.token).to.equal(undefined);
  });

  it('tells where the visitor comes from', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    await dialBack(engine, opened.control, { sourceIp: { addr: { case: 'v4', value: 0xc000020a } } });

    expect((await acceptBytes(tunnel)).sourceIp).to.equal('192.0.2.10');
  });

  it('case 61: bytes right behind ProxyReq arrive intact, both ways', async () => {
    const opened = await engine.open();
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    stream.connection.stream.write('from the agent');
    dialled.raw('from the engine');

    expect(await dialled.text(14)).to.equal('from the agent');
    expect((await readBytes(stream.connection.stream, 15)).toString()).to.equal('from the engine');
  });

  it('case 62: payload in the same segment as ProxyRsp reaches the application', async () => {
    const opened = await engine.open({ zeroRtt: false });
    const tunnel = await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    dialled.raw(Buffer.concat([Buffer.of(0, 0, 0, 2, 0x62, 0), Buffer.from('early payload')]));

    const { connection } = await acceptBytes(tunnel);
    expect((await readBytes(connection.stream, 13)).toString()).to.equal('early payload');
  });

  it('case 62: and so it does through a sink', async () => {
    const opened = await engine.open({ zeroRtt: false });
    const tunnel = await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    dialled.raw(Buffer.concat([Buffer.of(0, 0, 0, 2, 0x62, 0), Buffer.from('early payload')]));
    const { connection } = await acceptBytes(tunnel);
    let text = '';
    const memory = Buffer.alloc(4);
    connection.readInto({
      buffer: () => memory,
      received: (bytes, buffer) => {
        text += Buffer.from(buffer.subarray(0, bytes)).toString();
        return true;
      },
    });
    connection.stream.resume();
    dialled.raw(' and more');

    await eventually('everything arrived', () => text === 'early payload and more');
    const ended = once(connection.stream, 'end');
    dialled.stream.end();
    await ended;
  });

  it('case 63: a missing ProxyRsp is reported as a timeout, and the channel stays', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock, zeroRtt: false });
    await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    await clock.advance(10_000);

    const error = await refusal(opened);
    expect(error?.code).to.equal(6000);
    expect(error?.message).to.contain('Timed out');
    await dialled.end();
    await openTunnel(opened, {}, { id: 't2' });
  });

  it('case 64: a refusing ProxyRsp is passed on, and the connection closed', async () => {
    const opened = await engine.open({ zeroRtt: false });
    await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    dialled.send({ case: 'proxyRsp', value: { error: errorMessage(0, 'too late') } });

    expect((await refusal(opened))?.message).to.equal('too late');
    await dialled.end();
  });

  it('case 65: an unknown tunnel is refused without dialling', async () => {
    const opened = await engine.open();
    opened.control.send({ case: 'proxyConnReq', value: { tunnelId: 'nobody', streamId: 's1', secret: 's' } });

    expect((await refusal(opened))?.code).to.equal(4000);
    expect(engine.connections).to.have.length(1);
  });

  it('case 66: dials the endpoint it is sent to, and tells the owner', async () => {
    const ingress = await ScriptedEngine.start();
    try {
      const opened = await engine.open();
      const tunnel = await openTunnel(opened);
      const proxyEndpoint = ` localhost:${ingress.address.port} `;
      const { proxyReq, dialled } = await dialBack(ingress, opened.control, { proxyEndpoint });
      echo(await acceptBytes(tunnel));
      dialled.raw('hello');

      expect(proxyReq.clientDetails?.token).to.equal('stream-secret');
      expect(await refusal(opened)).to.equal(undefined);
      expect(await dialled.text(5)).to.equal('hello');
      expect(engine.connections).to.have.length(1);
    } finally {
      await ingress.stop();
    }
  });

  for (const [name, request, words] of [
    ['case 67: without a secret', { secret: undefined }, 'credentials'],
    ['case 67: with an empty secret', { secret: '' }, 'credentials'],
    ['case 68: to blanks', { proxyEndpoint: '  ', secret: 's' }, 'not an engine address'],
  ] as const) {
    it(`${name} a redirect is refused without a connection`, async () => {
      const ingress = await silentServer();
      const opened = await engine.open();
      await openTunnel(opened);
      const proxyEndpoint = `127.0.0.1:${ingress.port}`;
      const value = { tunnelId: 't1', streamId: 's1', proxyEndpoint, ...request };
      opened.control.send({ case: 'proxyConnReq', value });

      const error = await refusal(opened);
      expect(error?.code).to.equal(4000);
      expect(error?.message).to.contain(words);
      await openTunnel(opened, {}, { id: 't2' });
      expect([engine.connections.length, ingress.sockets.length]).to.deep.equal([1, 0]);
      ingress.close();
    });
  }

  it('case 69: a configured server name is not used for a redirect', async () => {
    const ingress = await ScriptedEngine.start();
    try {
      const engineAtLiteral = { ...engine.address, host: '127.0.0.1' };
      const transport = engine.transport({ serverName: 'localhost' });
      const opened = await engine.open({ engine: engineAtLiteral, transport });
      await openTunnel(opened);
      const proxyEndpoint = `127.0.0.1:${ingress.address.port}`;
      const { dialled } = await dialBack(ingress, opened.control, { proxyEndpoint });

      expect(opened.control.serverName).to.equal('localhost');
      expect(dialled.serverName).to.equal(false);
    } finally {
      await ingress.stop();
    }
  });

  it('case 70: a dial-back that hangs in TLS harms neither liveness nor other requests', async () => {
    const { port, sockets, close } = await silentServer();
    const clock = new ManualClock();
    const liveness = { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 1_500 };
    try {
      const opened = await engine.open({ clock, heartbeatIntervalMs: 1_000 }, { liveness });
      await openTunnel(opened);
      const redirect = { tunnelId: 't1', streamId: 's1', secret: 's', proxyEndpoint: `127.0.0.1:${port}` };
      opened.control.send({ case: 'proxyConnReq', value: redirect });
      await eventually('the dial-back hangs', () => sockets.length === 1);
      await clock.advance(1_000);
      opened.control.send({ case: 'heartbeat', value: { acknowledgement: 1n } });
      await openTunnel(opened, {}, { id: 't2' });
      await clock.advance(900);

      await openTunnel(opened, {}, { id: 't3' });
    } finally {
      close();
    }
  });

  it('tries a dial-back once more that hung before its secret was spent, and then gives up', async () => {
    const { port, sockets, close } = await silentServer();
    const clock = new ManualClock();
    try {
      const opened = await engine.open({ clock });
      await openTunnel(opened);
      const redirect = { tunnelId: 't1', streamId: 's1', secret: 's', proxyEndpoint: `127.0.0.1:${port}` };
      opened.control.send({ case: 'proxyConnReq', value: redirect });
      for (const attempts of [1, 2]) {
        await eventually('the dial-back hangs', () => sockets.length === attempts);
        await clock.advance(10_000);
      }

      expect((await refusal(opened))?.code).to.equal(6000);
      expect(sockets).to.have.length(2);
    } finally {
      close();
    }
  });

  it('case 71: 16 requests at once are 16 streams and 16 good answers', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    for (let count = 0; count < 16; count += 1) {
      const value = { tunnelId: 't1', streamId: newStreamId(), secret: 's' };
      opened.control.send({ case: 'proxyConnReq', value });
      acceptBytes(tunnel).then(echo);
    }
    const echoes = Array.from({ length: 16 }, async () => {
      const side = await engine.next();
      const { streamId } = await side.proxyReq();
      side.raw(streamId);
      return (await side.text(24)) === streamId && streamId;
    });
    const answers = [];
    for (let count = 0; count < 16; count += 1) answers.push(await opened.control.expect('proxyConnRsp'));

    const echoed = await Promise.all(echoes);
    expect(new Set(echoed).size).to.equal(16);
    expect(echoed).not.to.include(false);
    expect(answers.filter((answer) => answer.error)).to.deep.equal([]);
  });

  it('case 72: requests over the limits are answered with an error each, and the channel stays', async () => {
    const clock = new ManualClock();
    const limits = { activeDialBacks: 4, queuedDialBacks: 8 };
    const opened = await engine.open({ clock, zeroRtt: false, limits });
    await openTunnel(opened);
    for (let count = 0; count < 20; count += 1) {
      const value = { tunnelId: 't1', streamId: `s${count}`, secret: 's' };
      opened.control.send({ case: 'proxyConnReq', value });
    }
    const overflow = [];
    for (let count = 0; count < 8; count += 1) overflow.push(await opened.control.expect('proxyConnRsp'));

    expect(overflow.map((answer) => answer.streamId)).to.deep.equal(
      [12, 13, 14, 15, 16, 17, 18, 19].map((n) => `s${n}`),
    );
    expect(new Set(overflow.map((answer) => answer.error?.code))).to.deep.equal(new Set([6000]));
    expect(overflow[0]?.error?.message).to.contain('queue is full');
    await eventually('the dial-backs hang', () => engine.connections.length === 5);
    await clock.advance(10_000);
    for (let count = 0; count < 4; count += 1) await opened.control.expect('proxyConnRsp');
    await eventually('the next ones started', () => engine.connections.length === 9);
  });

  it('bounds the streams nobody accepts', async () => {
    const opened = await engine.open({ limits: { unacceptedStreams: 1 } });
    const tunnel = await openTunnel(opened);
    const waiting = await dialBack(engine, opened.control);
    expect(await refusal(opened)).to.equal(undefined);
    const beyond = await dialBack(engine, opened.control);
    expect((await refusal(opened))?.message).to.contain('too many streams');
    await beyond.dialled.end();

    resetSocket(waiting.dialled.stream);
    await eventually('one that broke off counts no longer', async () => {
      await dialBack(engine, opened.control);
      return (await refusal(opened)) === undefined;
    });
    await acceptBytes(tunnel);
    await dialBack(engine, opened.control);
    expect(await refusal(opened)).to.equal(undefined);
  });

  it('case 73: a stream has no timeout of its own', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock });
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    await clock.advance(3_600_000);
    dialled.raw('late');

    expect((await readBytes(stream.connection.stream, 4)).toString()).to.equal('late');
  });

  it('case 78: an end of one side is an end for the other, which may go on itself', async () => {
    const opened = await engine.open();
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    const ours = stream.connection.stream;
    const big = Buffer.alloc(1_000_000, 'x');
    dialled.stream.end(big);
    const received = await readBytes(ours, big.length);
    const ended = once(ours, 'end');
    ours.resume();
    await ended;
    ours.end('all received');

    expect(received.equals(big)).to.equal(true);
    expect((await dialled.toEnd()).toString()).to.equal('all received');
  });

  it('tells the engine of an abort, where an end would pass for the whole', async () => {
    const opened = await engine.open();
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    stream.connection.stream.write('half of it');
    await dialled.text(10);
    const failed = once(dialled.stream, 'error');
    const closed = once(stream.connection.stream, 'close');
    stream.connection.reset();

    expect((await failed)[0]).to.have.property('code', 'ECONNRESET');
    await closed;
  });

  it('reports each dial-back to its observer', async () => {
    const outcomes: DialBackOutcome[] = [];
    const opened = await engine.open({ observer: { dialBack: (outcome) => outcomes.push(outcome) } });
    await acceptStream(engine, opened, await openTunnel(opened));
    const value = { tunnelId: 't1', streamId: 's1', proxyEndpoint: 'localhost:1' };
    opened.control.send({ case: 'proxyConnReq', value });
    await opened.control.skipTo('proxyConnRsp');
    await opened.control.skipTo('proxyConnRsp');

    expect(outcomes.map(({ tunnelId, error }) => [tunnelId, error !== undefined])).to.deep.equal([
      ['t1', false],
      ['t1', true],
    ]);
    expect(outcomes[1]?.streamId).to.equal('s1');
  });

  it('survives streams that die: delivered, waiting, or on their way', async () => {
    const opened = await engine.open({ zeroRtt: false });
    const tunnel = await openTunnel(opened);
    const onTheWay = await dialBack(engine, opened.control);
    onTheWay.dialled.destroy();
    expect((await refusal(opened))?.code).to.equal(6000);
    const waiting = await dialBack(engine, opened.control);
    waiting.dialled.send({ case: 'proxyRsp', value: {} });
    expect(await refusal(opened)).to.equal(undefined);
    waiting.dialled.destroy();

    await openTunnel(opened, {}, { id: 't2' });
    expect(await Promise.race([tunnel.done, 'open'])).to.equal('open');
  });
});

/** Accepts connections and never says a word; `sockets` are those it has accepted. */
async function silentServer() {
  const server = createServer().listen(0, '127.0.0.1');
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket.on('error', () => {})));
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, sockets, close };
}
