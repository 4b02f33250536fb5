// Streams of one QUIC connection that nobody reads, beside those that somebody does.

import { expect } from 'chai';
import { STREAM_WINDOW } from '../../src/rstream/quic-config.ts';
import type { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { readBytes, rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('QUIC streams that nobody reads', function () {
  this.timeout(120_000);
  let engine: ScriptedQuicEngine;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
  });
  afterEach(() => engine.stop());

  const open = async (transport: QuicTransport, control = false) => {
    const { stream } = await transport.connect({ engine: engine.address, control }, never);
    stream.write('open');
    const side = await engine.next();
    await side.text(4);
    return { stream, side };
  };
  type Opened = Awaited<ReturnType<typeof open>>;
  const ping = async ({ stream, side }: Opened) => {
    side.raw('ping');
    expect(String(await readBytes(stream, 4))).to.equal('ping');
    stream.write('pong');
    expect(await side.text(4)).to.equal('pong');
  };

  /** Opens so many streams and sends each twice what it takes unread. */
  async function stall(transport: QuicTransport, count: number): Promise<readonly Opened[]> {
    const stalled: Opened[] = [];
    for (let index = 0; index < count; index += 1) stalled.push(await open(transport));
    for (const { side } of stalled) side.raw(Buffer.alloc(2 * STREAM_WINDOW));
    return stalled;
  }

  /** Resolves when nothing comes any more. */
  async function full(): Promise<void> {
    const sent = () =>
      [...engine.listener.connections].reduce((sum, { packetsSent }) => sum + packetsSent, 0);
    let before = -1;
    let same = 0;
    await eventually('nothing is sent any more', () => {
      same = sent() === before ? same + 1 : 0;
      before = sent();
      return same >= 25;
    });
  }

  it('leave room for the control channel and for others', async () => {
    const transport = engine.transport();
    const control = await open(transport);
    await ping(control);
    const stalled = await stall(transport, 80);
    await full();
    await ping(control);
    await ping(await open(transport));
    transport.close();
    for (const { side } of stalled) side.stream.destroy();
  });

  it('allow no more of them when 64 MiB are unread, but a control channel, and leave nothing behind', async () => {
    const transport = engine.transport();
    const control = await open(transport);
    const stalled = await stall(transport, 300);
    const connect = () => rejection(transport.connect({ engine: engine.address }, never));
    const patience = { timeoutMs: 100_000, everyMs: 500 };
    const refusal = await eventually('a stream is refused', connect, patience);
    expect(refusal).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    expect(String(refusal)).to.contain('64 MiB');
    await ping(control);
    await ping(await open(transport, true));
    for (const { stream } of stalled) stream.destroy();
    await ping(control);
    await ping(await eventually('there is room again', () => open(transport)));
    transport.close();
    for (const { side } of stalled) side.stream.destroy();
  });
});
