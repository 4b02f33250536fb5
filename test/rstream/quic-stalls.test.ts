// Streams of one QUIC connection that nobody reads, beside those that somebody does.

import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { eventually } from '../support/eventually.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { readBytes } from '../support/streams.ts';

const never = new AbortController().signal;
const kibibyte = 1024;

describe('QUIC streams that nobody reads', function () {
  this.timeout(120_000);
  let engine: ScriptedQuicEngine;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
  });
  afterEach(() => engine.stop());

  it('leave room for the control channel and for others, eighty of them, and take a bounded amount of memory', async () => {
    const transport = engine.transport();
    const open = async () => {
      const { stream } = await transport.connect({ engine: engine.address }, never);
      stream.write('open');
      const side = await engine.next();
      await side.text(4);
      return { stream, side };
    };
    const control = await open();
    const ping = async ({ stream, side }: Awaited<ReturnType<typeof open>>) => {
      side.raw('ping');
      expect(String(await readBytes(stream, 4))).to.equal('ping');
      stream.write('pong');
      expect(await side.text(4)).to.equal('pong');
    };
    await ping(control);

    const stalled: Duplex[] = [];
    for (let count = 0; count < 80; count += 1) {
      const { side } = await open();
      side.raw(Buffer.alloc(520 * kibibyte));
      stalled.push(side.stream);
    }
    const waiting = () => stalled.reduce((sum, { writableLength }) => sum + writableLength, 0);
    let before = -1;
    let same = 0;
    await eventually('nothing moves any more', () => {
      same = waiting() === before ? same + 1 : 0;
      before = waiting();
      return same >= 15;
    });
    expect(waiting(), 'held back by the sender').to.be.at.least(12_000 * kibibyte);

    await ping(control);
    await ping(await open());
    transport.close();
    for (const stream of stalled) stream.destroy();
  });
});
