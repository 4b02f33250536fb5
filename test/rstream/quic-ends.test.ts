// Ends of QUIC streams where packets are lost: each arrives, however it comes to lie among the other packets.

import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../src/common/clock.ts';
import { QuicStream } from '../../src/rstream/quic-stream.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { UdpProxy } from '../support/udp-proxy.ts';

const full = process.env.RSTREAM_TEST_FULL === '1';
const seeds = full ? 100 : 10;
const streamsPerSeed = 100;
const loss = 0.05;

interface Ends {
  readonly near: Duplex;
  readonly far: Duplex;
}

/** The ways two ends can end, all without bytes of their own. */
const waysToEnd: Readonly<Record<string, (ends: Ends) => void>> = {
  'both at once'({ near, far }) {
    near.end();
    far.end();
  },
  'the second one when the first one arrives'({ near, far }) {
    near.once('end', () => near.end());
    far.end();
  },
  'the second one right behind an answer': endBehindAnAnswer,
  'both right behind a word'({ near, far }) {
    for (const stream of [near, far]) {
      stream.write('word');
      void nextTurn().then(() => stream.end());
    }
  },
};

function endBehindAnAnswer({ near, far }: Ends): void {
  far.once('end', async () => {
    far.write('answer');
    await nextTurn();
    far.end();
  });
  near.end();
}

function bothEnds({ near, far }: Ends, arrived: () => void): number {
  for (const stream of [near, far]) stream.once('end', arrived).resume();
  return 2;
}

/** The ways one end can abort, and the other one has to see it. */
const waysToAbort: Readonly<Record<string, (ends: Ends) => void>> = {
  'at once'({ far }) {
    abort(far);
  },
  'right behind an answer, after an end'({ near, far }) {
    far.once('end', async () => {
      far.write('answer');
      await nextTurn();
      abort(far);
    });
    near.end();
  },
};

function abort(stream: Duplex): void {
  if (!(stream instanceof QuicStream)) throw new Error('not a stream of QUIC');
  stream.reset();
}

describe('ends of QUIC streams where packets are lost', function () {
  this.timeout(full ? 600_000 : 120_000);
  let engine: ScriptedQuicEngine;
  let proxy: UdpProxy;
  let transport: QuicTransport;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
    proxy = await UdpProxy.start(engine.listener.port);
    const material = { ca: engine.ca };
    transport = new QuicTransport({ clock: systemClock, material: () => material });
  });
  afterEach(async () => {
    transport.close();
    await engine.stop();
    proxy.stop();
  });

  async function open(count: number): Promise<readonly Ends[]> {
    const target = { engine: { host: 'localhost', port: proxy.port } };
    const far = new Map<string, Duplex>();
    const near: Duplex[] = [];
    for (let index = 0; index < count; index += 1) {
      const { stream } = await transport.connect(target, AbortSignal.timeout(30_000));
      stream.write(String(index).padStart(4));
      near.push(stream);
    }
    for (let index = 0; index < count; index += 1) {
      const side = await engine.next();
      far.set(await side.text(4), side.stream);
    }
    return near.map((stream, index) => {
      const other = far.get(String(index).padStart(4));
      if (!other) throw new Error(`stream ${index} did not arrive`);
      return { near: stream, far: other };
    });
  }

  /** Runs `end` on many streams for many seeds; `arrivals` counts what has to come of each. */
  async function lose(
    end: (ends: Ends) => void,
    arrivals: (ends: Ends, arrived: () => void) => number,
    count = seeds,
  ) {
    for (let seed = 1; seed <= count; seed += 1) {
      const random = seededRandom(seed);
      proxy.loses = () => false;
      const streams = await open(streamsPerSeed);
      proxy.loses = () => random() < loss;
      let left = 0;
      for (const ends of streams) left += arrivals(ends, () => (left -= 1));
      for (const ends of streams) {
        end(ends);
        if (random() < 0.3) await nextTurn();
      }
      await eventually(`all of seed ${seed} have arrived`, () => left === 0).catch((error) => {
        throw new Error(`${left} of seed ${seed} did not arrive`, { cause: error });
      });
    }
  }

  for (const [way, end] of Object.entries(waysToEnd)) {
    it(`all arrive: ${way}`, () => lose(end, bothEnds));
  }

  it('all arrive beside a stream that always has something under way', async () => {
    const [busy] = await open(1);
    if (!busy) throw new Error('no stream');
    for (const { writer, reader } of [
      { writer: busy.near, reader: busy.far },
      { writer: busy.far, reader: busy.near },
    ]) {
      const more = () => void writer.write(Buffer.alloc(64 * 1024));
      writer.on('drain', more);
      reader.resume();
      more();
    }
    await lose(endBehindAnAnswer, bothEnds, seeds / 5);
    busy.near.destroy();
    busy.far.destroy();
  });

  for (const [way, abort] of Object.entries(waysToAbort)) {
    it(`all arrive where one aborts ${way}`, () =>
      lose(abort, ({ near, far }, arrived) => {
        near.once('error', arrived).resume();
        far.resume();
        return 1;
      }));
  }
});
