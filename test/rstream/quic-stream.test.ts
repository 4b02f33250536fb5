// Streams of two QUIC connections whose packets the test carries itself, so that they arrive exactly when they hurt.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { streamConnection } from '../../src/rstream/connection.ts';
import { quicConfig } from '../../src/rstream/quic-config.ts';
import { QuicConnection } from '../../src/rstream/quic-connection.ts';
import { nativeQuic } from '../../src/rstream/quic-native.ts';
import type { QuicStream } from '../../src/rstream/quic-stream.ts';
import { serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { readBytes } from '../support/streams.ts';

const left = { host: '127.0.0.1', port: 1 };
const right = { host: '127.0.0.1', port: 2 };

describe('QuicStream', () => {
  let client: QuicConnection;
  let server: QuicConnection;
  let accepted: Promise<QuicStream>;
  const fromClient: Buffer[] = [];
  const fromServer: Buffer[] = [];
  const keep = (packets: Buffer[]) => (packet: Buffer) => {
    packets.push(Buffer.from(packet));
    return true;
  };
  const toServer = () => {
    for (const packet of fromClient.splice(0)) server.receive(packet, left);
  };
  const toClient = () => {
    for (const packet of fromServer.splice(0)) client.receive(packet, right);
  };

  beforeEach(async () => {
    const { ca, cert, key } = await serverCertificate();
    const { Connection } = nativeQuic();
    const asClient = quicConfig({ ca }, { role: 'client', incomingStreams: 0 });
    const asServer = quicConfig({ cert, key }, { role: 'server', incomingStreams: 4 });
    const stream = Promise.withResolvers<QuicStream>();
    accepted = stream.promise;
    client = new QuicConnection({
      role: 'client',
      native: Connection.connect('localhost', randomBytes(20), left, right, asClient),
      local: left,
      clock: systemClock,
      send: keep(fromClient),
      verify: 'localhost',
    });
    server = new QuicConnection({
      role: 'server',
      native: Connection.accept(randomBytes(20), null, right, left, asServer),
      local: right,
      clock: systemClock,
      send: keep(fromServer),
      onStream: stream.resolve,
    });
    await carryUntil(() => client.hasDatagrams && server.hasDatagrams);
  });
  afterEach(() => {
    client.close('done');
    server.close('done');
    fromClient.length = 0;
    fromServer.length = 0;
  });

  /** Carries packets both ways, turn by turn. */
  const carryUntil = (condition: () => boolean) =>
    eventually(
      'the packets did their work',
      async () => {
        toServer();
        toClient();
        await nextTurn();
        return condition();
      },
      { everyMs: 0 },
    );

  async function open(): Promise<{ readonly near: QuicStream; readonly far: QuicStream }> {
    const near = await client.openStream(AbortSignal.timeout(10_000));
    near.write('hello');
    let far: QuicStream | undefined;
    void accepted.then((stream) => (far = stream));
    await carryUntil(() => far !== undefined && far.readableLength >= 0);
    if (!far) throw new Error('no stream arrived');
    expect(String(await readBytes(far, 5))).to.equal('hello');
    return { near, far };
  }

  it('delivers its end even when the rest is acknowledged just then', async () => {
    const { near, far } = await open();
    near.write('more');
    await nextTurn();
    toServer();
    far.end('answer');
    await nextTurn();
    near.resume();
    near.end();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    // The acknowledgement of everything so far, the answer and its end.
    toClient();
    let ended = false;
    far.once('end', () => (ended = true)).resume();
    await carryUntil(() => ended);
  });

  it('keeps its end back while the network takes nothing, and loses nothing', async () => {
    const { near, far } = await open();
    const bulk = Buffer.alloc(400_000, 'bulk');
    near.write(bulk);
    near.end();
    let received = 0;
    let ended = false;
    far.on('data', (chunk: Buffer) => (received += chunk.length));
    far.once('end', () => (ended = true)).resume();
    // Every second packet is lost for a while.
    for (let turn = 0; turn < 20; turn += 1) {
      for (const [at, packet] of fromClient.splice(0).entries())
        if (at % 2 === 0) server.receive(packet, left);
      toClient();
      await nextTurn();
    }
    await carryUntil(() => ended);
    expect(received).to.equal(bulk.length);
  });

  for (const rest of ['acknowledged just then', 'acknowledged before', 'lost with it'] as const) {
    it(`sends its end again when the packet with it is lost, and the rest ${rest}`, async () => {
      const { near, far } = await open();
      near.write('more');
      await nextTurn();
      if (rest === 'lost with it') fromClient.length = 0;
      toServer();
      far.end('answer');
      await nextTurn();
      near.resume();
      if (rest === 'acknowledged before') await carryUntil(() => near.readableEnded);
      near.end();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      fromClient.shift();
      toClient();
      let ended = false;
      far.once('end', () => (ended = true)).resume();
      await carryUntil(() => ended);
    });
  }

  it('shows the other side an abort, not an end', async () => {
    const { near, far } = await open();
    const failed = once(far, 'error');
    far.resume();
    near.reset();
    await carryUntil(() => far.destroyed);
    await failed;
  });

  it('hears of an abort even while nobody reads, and gives up what it had received', async () => {
    const { near, far } = await open();
    const received: Buffer[] = [];
    const sink = {
      buffer: () => Buffer.alloc(1_000),
      received: (bytes: number, buffer: Uint8Array) => {
        received.push(Buffer.from(buffer.subarray(0, bytes)));
        return false;
      },
    };
    streamConnection('quic', near).readInto(sink);
    near.resume();
    far.write(Buffer.alloc(300_000, 'b'));
    await carryUntil(() => near.readableLength >= near.readableHighWaterMark);
    const kept = near.readableLength + received.reduce((sum, { length }) => sum + length, 0);
    far.reset();
    await carryUntil(() => near.closed);
    expect(Buffer.concat(received)).to.have.length(kept);
  });

  it('keeps the end that comes while nobody reads, however often it is told of it', async () => {
    const { near, far } = await open();
    near.read(0);
    far.write(Buffer.alloc(64 * 1024));
    near.end();
    let heard = false;
    far.once('end', () => (heard = true)).resume();
    await carryUntil(() => near.readableLength === 64 * 1024 && heard);
    far.end();
    await carryUntil(() => far.writableFinished && fromServer.length === 0 && fromClient.length === 0);
    for (let time = 0; time < 3; time += 1) near.readReady();
    let ended = false;
    near.once('end', () => (ended = true)).resume();
    await carryUntil(() => ended);
  });

  it('is forgotten by its connection once both ways have ended', async () => {
    const { near, far } = await open();
    near.end();
    near.resume();
    far.resume();
    far.end();
    await carryUntil(() => client.streams === 0 && server.streams === 0);
  });
});
