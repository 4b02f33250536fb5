// What a reader that is slow still gets of a QUIC stream that is broken off.

import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { STREAM_WINDOW } from '../../src/rstream/quic-config.ts';
import type { QuicConnection } from '../../src/rstream/quic-connection.ts';
import type { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { MAX_RESCUED_BYTES } from '../../src/rstream/quic-unread.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';

const never = new AbortController().signal;

/** Takes one read and then no more, as a relay does whose other side is stalled; what comes all the same is kept. */
function stalledSink() {
  const received: Buffer[] = [];
  return {
    buffer: () => Buffer.alloc(64 * 1024),
    received: (bytes: number, buffer: Uint8Array) => {
      received.push(Buffer.from(buffer.subarray(0, bytes)));
      return false;
    },
    get all() {
      return Buffer.concat(received);
    },
  };
}

describe('QUIC streams that are broken off before they are read', function () {
  this.timeout(60_000);
  let engine: ScriptedQuicEngine;
  let transport: QuicTransport;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
    transport = engine.transport();
  });
  afterEach(async () => {
    transport.close();
    await engine.stop();
  });

  async function open() {
    const { stream, readInto } = await transport.connect({ engine: engine.address }, never);
    const sink = stalledSink();
    readInto(sink);
    stream.resume();
    stream.write('open');
    return { reader: stream, sink, writer: (await engine.next()).stream };
  }

  function server(): QuicConnection {
    const [connection] = engine.listener.connections;
    if (!connection) throw new Error('nobody has connected');
    return connection;
  }

  it('give up all that had arrived when their connection is closed, then the error', async () => {
    const { reader, sink, writer } = await open();
    const sent = randomBytes(STREAM_WINDOW - 10);
    writer.write(sent);
    const connection = server();
    await eventually('all of it has arrived', () => writer.writableLength === 0 && connection.isQuiet());
    connection.close('gone');
    await eventually('it is closed', () => reader.closed);
    expect(reader.errored).to.have.property('message').that.contains('gone');
    expect(sink.all.equals(sent), `${sink.all.length} bytes`).to.equal(true);
  });

  it('give up no more than 16 MiB together', async () => {
    const streams: Awaited<ReturnType<typeof open>>[] = [];
    for (let count = 0; count < 2 * (MAX_RESCUED_BYTES / STREAM_WINDOW); count += 1)
      streams.push(await open());
    for (const { writer } of streams) writer.write(Buffer.alloc(STREAM_WINDOW - 10));
    const connection = server();
    const written = () => streams.every(({ writer }) => writer.writableLength === 0);
    await eventually('all of it has arrived', () => written() && connection.isQuiet());
    const before = streams.reduce(
      (sum, { reader, sink }) => sum + sink.all.length + reader.readableLength,
      0,
    );
    connection.close('gone');
    await eventually('all are closed', () => streams.every(({ reader }) => reader.closed));
    const after = streams.reduce((sum, { sink }) => sum + sink.all.length, 0);
    expect(after - before).to.be.within(MAX_RESCUED_BYTES, MAX_RESCUED_BYTES + 64 * 1024);
  });
});
