// Pumps between sources and sinks that behave like sockets, in every order of events: the memory a source holds for its next
// read, and the memory of a write under way, belong to nobody else.

import { Duplex } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { Gather } from '../../src/agent/gather.ts';
import { Pump } from '../../src/agent/pump.ts';
import { SlabPool, slabBytes } from '../../src/agent/slab-pool.ts';

const full = process.env.RSTREAM_TEST_FULL === '1';
const numRuns = full ? 1_000 : 60;

/**
 * Reads into memory it asked for after the read before, as a socket with `onread` does. Told to stop, it still delivers what
 * TLS has decrypted already.
 */
class Source extends Duplex {
  readonly #pump: Pump;
  #view: Uint8Array;
  /** Bytes waiting in the "kernel". */
  available = 0;
  #stopped = false;
  sent = 0;
  readonly #seed: number;
  readonly #afterStop: number;

  constructor(pump: Pump, seed: number, afterStop: number) {
    super();
    this.#pump = pump;
    this.#seed = seed;
    this.#afterStop = afterStop;
    this.#view = pump.buffer();
  }

  /** One turn of the event loop: reads until nothing is there or the pump says stop. */
  turn(most: number): void {
    if (this.#stopped) return;
    for (let after = 0; this.available > 0 && after <= this.#afterStop; after += this.#stopped ? 1 : 0) {
      const bytes = Math.min(this.available, most, this.#view.length);
      for (let at = 0; at < bytes; at += 1) this.#view[at] = byteAt(this.#seed, this.sent + at);
      this.sent += bytes;
      this.available -= bytes;
      this.#stopped = !this.#pump.received(bytes, this.#view) || after > 0;
      this.#view = this.#pump.buffer();
      expect(this.#view.length).to.be.greaterThan(0);
    }
  }

  override resume(): this {
    this.#stopped = false;
    return this;
  }
}

/**
 * What a sink does with the memory of a write: `holds` it until the write is completed; `copies` it at once, as TLS does;
 * `takes` all of it at once when it can, as the system does with a TCP socket's.
 */
const sinkKinds = ['takes', 'copies', 'holds'] as const;
type SinkKind = (typeof sinkKinds)[number];

class Sink extends Duplex {
  received = 0;
  /** For `takes`: how many bytes there is room for. */
  room = 0;
  #pending: { readonly chunk: Buffer; readonly done: () => void } | undefined;
  readonly #kind: SinkKind;
  readonly #seed: number;

  constructor(kind: SinkKind, seed: number) {
    super({ decodeStrings: false });
    this.#kind = kind;
    this.#seed = seed;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#kind === 'takes' && chunk.length <= this.room) {
      this.room -= chunk.length;
      this.#check(chunk);
      done();
    } else {
      this.#pending = { chunk: this.#kind === 'copies' ? Buffer.from(chunk) : chunk, done };
    }
  }

  complete(): boolean {
    const pending = this.#pending;
    if (!pending) return false;
    this.#pending = undefined;
    this.#check(pending.chunk);
    pending.done();
    return true;
  }

  #check(chunk: Buffer): void {
    for (const byte of chunk) {
      if (byte !== byteAt(this.#seed, this.received))
        throw new Error(`byte ${this.received} of stream ${this.#seed} is another one's`);
      this.received += 1;
    }
  }
}

/** What stream `seed` carries at `position`: no two streams and no two places near each other agree for long. */
function byteAt(seed: number, position: number): number {
  return (position * 31 + (position >> 8) * 7 + seed * 101) & 255;
}

interface Flow {
  readonly pump: Pump;
  readonly source: Source;
  readonly sink: Sink;
}

function flows(pool: SlabPool, count: number): readonly Flow[] {
  const gather = new Gather(pool);
  return Array.from({ length: count }, (_, seed) => {
    const kind = sinkKinds[seed % sinkKinds.length] ?? 'holds';
    const options = kind === 'takes' ? { gather } : { sinkCopies: kind === 'copies' };
    const pump = new Pump({ pool, ...options, count: () => {} });
    const source = new Source(pump, seed, kind === 'takes' ? 3 : 0);
    const sink = new Sink(kind, seed);
    pump.start(source, sink);
    return { pump, source, sink };
  });
}

/** Lets immediates and next ticks happen. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

type Step =
  | { readonly do: 'read'; readonly flow: number; readonly bytes: number; readonly most: number }
  | { readonly do: 'write' | 'write and turn' | 'make room'; readonly flow: number };

const flowCount = 4;
const flow = fc.nat(flowCount - 1);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('read' as const),
      flow,
      bytes: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: 1, max: 6_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 300_000 }) },
      ),
      most: fc.constantFrom(10_000, 16_384, 65_536, 1_048_576),
    }),
    fc.record({
      do: fc.constantFrom('write' as const, 'write and turn' as const, 'make room' as const),
      flow,
    }),
  ),
  { minLength: 10, maxLength: 80, size: 'max' },
);

describe('pump', function () {
  this.timeout(full ? 600_000 : 120_000);

  it('delivers every byte of every stream, whatever happens in which order', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.constantFrom(64 * 1024, 512 * 1024, 24 * 1024 * 1024),
        fc.constantFrom(0, 16, 32),
        async (list, claimBytes, lent) => {
          const pool = new SlabPool({ claimBytes });
          const others = Array.from({ length: lent }, () => pool.acquire(slabBytes));
          const all = flows(pool, flowCount);
          for (const step of list) {
            const { sink } = all[step.flow] ?? {};
            if (step.do === 'read') read(all[step.flow], step.bytes, step.most);
            else if (step.do !== 'make room') sink?.complete();
            else if (sink) sink.room = 100_000;
            if (step.do === 'write and turn') await turn();
          }
          for (let busy = true; busy; ) {
            await turn();
            busy = false;
            for (const { source, sink } of all) {
              source.turn(65_536);
              busy = sink.complete() || source.available > 0 || busy;
            }
            await turn();
            busy = busy || all.some(({ pump }) => !pump.drained);
          }
          for (const { source, sink } of all) expect(sink.received).to.equal(source.sent);
          for (const { pump } of all) pump.stop();
          for (const slab of others) pool.discard(slab);
          expect(pool.lentBytes).to.equal(0);
        },
      ),
      { numRuns },
    );
  });

  it('holds next to nothing while nothing moves', async () => {
    const pool = new SlabPool();
    const all = flows(pool, 1_000);
    for (const each of all) read(each, 500, 16_384);
    await turn();
    for (const { sink } of all) sink.complete();
    await turn();
    expect(pool.lentBytes).to.equal(0);
  });

  it('writes nothing any more once it is stopped, and holds nothing', async () => {
    const pool = new SlabPool();
    const all = flows(pool, 3);
    for (const each of all) {
      read(each, 16_384, 16_384);
      each.pump.stop();
      each.source.turn(16_384);
    }
    await turn();
    expect(pool.lentBytes).to.equal(0);
    expect(all[0]?.sink.writableLength).to.equal(0);
  });

  it('holds a bounded amount for a thousand streams that are stuck', () => {
    const pool = new SlabPool();
    for (const each of flows(pool, 1_000)) read(each, 10_000_000, 1_048_576);
    expect(pool.lentBytes).to.be.at.most(64 * 1024 * 1024);
  });

  it('leaves later streams as large reads as the first ones had', async () => {
    const pool = new SlabPool();
    for (let round = 0; round < 40; round += 1) {
      for (const each of flows(pool, 3)) {
        for (let reads = 0; reads < 4; reads += 1) {
          read(each, 150_000, slabBytes);
          each.source.available = 0;
          await turn();
          while (each.sink.complete()) await turn();
        }
        each.pump.stop();
      }
    }
    expect(pool.readView(slabBytes, 0).length).to.equal(slabBytes);
    // Nor do they count as streams, for which there would be less.
    pool.claim(32 * slabBytes);
    expect(pool.readView(slabBytes, 0).length).to.equal(slabBytes / 2);
  });

  it('takes larger reads without a copy once a stream is busy, and small ones when it is quiet again', async () => {
    const pool = new SlabPool();
    const [, busy] = flows(pool, 2);
    if (!busy) throw new Error('no flow');
    const sizes: number[] = [];
    for (const bytes of [4_000_000, 4_000_000, 4_000_000, 4_000_000, 4_000_000, 1_000, 1_000]) {
      sizes.push(busy.pump.buffer().length);
      read(busy, bytes, slabBytes);
      expect(pool.lentBytes).to.equal(0);
      busy.source.available = 0;
      await turn();
      while (busy.sink.complete()) await turn();
    }
    const quiet = 16 * 1024;
    expect(sizes).to.deep.equal([1, 4, 16, 64, 64, 64, 1].map((times) => times * quiet));
  });
});

function read(flow: Flow | undefined, bytes: number, most: number): void {
  if (!flow) return;
  flow.source.available += bytes;
  flow.source.turn(most);
}
