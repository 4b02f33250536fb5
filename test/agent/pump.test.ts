// Pumps between sources and sinks that behave like sockets, in every order of events: the memory a source holds for its next
// read, and the memory of a write under way, belong to nobody else.

import { Duplex } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { Pump } from '../../src/agent/pump.ts';
import { SlabPool } from '../../src/agent/slab-pool.ts';

const numRuns = process.env.RSTREAM_TEST_FULL === '1' ? 2_000 : 60;

/** Reads into memory it asked for after the read before, as a socket with `onread` does. */
class Source extends Duplex {
  readonly #pump: Pump;
  #view: Uint8Array;
  /** Bytes waiting in the "kernel". */
  available = 0;
  #stopped = false;
  sent = 0;
  readonly #seed: number;

  constructor(pump: Pump, seed: number) {
    super();
    this.#pump = pump;
    this.#seed = seed;
    this.#view = pump.buffer();
  }

  /** One turn of the event loop: reads until nothing is there or the pump says stop. */
  turn(most: number): void {
    while (this.available > 0 && !this.#stopped) {
      const bytes = Math.min(this.available, most, this.#view.length);
      for (let at = 0; at < bytes; at += 1) this.#view[at] = byteAt(this.#seed, this.sent + at);
      this.sent += bytes;
      this.available -= bytes;
      this.#stopped = !this.#pump.received(bytes, this.#view);
      this.#view = this.#pump.buffer();
      expect(this.#view.length).to.be.greaterThan(0);
    }
  }

  override resume(): this {
    this.#stopped = false;
    return this;
  }
}

/** Takes a write's memory only when the write is completed. */
class Sink extends Duplex {
  received = 0;
  #pending: { readonly chunk: Buffer; readonly done: () => void } | undefined;
  readonly #seed: number;

  constructor(seed: number) {
    super({ decodeStrings: false });
    this.#seed = seed;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pending = { chunk, done };
  }

  complete(): boolean {
    const pending = this.#pending;
    if (!pending) return false;
    this.#pending = undefined;
    for (const byte of pending.chunk) {
      if (byte !== byteAt(this.#seed, this.received))
        throw new Error(`byte ${this.received} of stream ${this.#seed} is another one's`);
      this.received += 1;
    }
    pending.done();
    return true;
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
  return Array.from({ length: count }, (_, seed) => {
    const pump = new Pump({ pool, gather: seed % 2 === 0, count: () => {} });
    const source = new Source(pump, seed);
    const sink = new Sink(seed);
    pump.start(source, sink);
    return { pump, source, sink };
  });
}

/** Lets immediates and next ticks happen. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

type Step =
  | { readonly do: 'read'; readonly flow: number; readonly bytes: number; readonly most: number }
  | { readonly do: 'write' | 'write and turn'; readonly flow: number };

const flowCount = 3;
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
      most: fc.constantFrom(16_384, 65_536, 1_048_576),
    }),
    fc.record({ do: fc.constantFrom('write' as const, 'write and turn' as const), flow }),
  ),
  { minLength: 10, maxLength: 80, size: 'max' },
);

describe('pump', function () {
  this.timeout(120_000);

  it('reads into memory of its own, also after a write that began between two reads', async () => {
    const pool = new SlabPool();
    const [first, second] = flows(pool, 2);
    if (!first || !second) throw new Error('no flows');
    read(first, 500, 16_384);
    read(first, 300, 16_384);
    for (let round = 0; round < 2; round += 1) {
      first.sink.complete();
      await turn();
    }
    read(second, 5_000, 16_384);
    read(second, 5_000, 16_384);
    read(first, 1_000, 16_384);
    for (let round = 0; round < 3; round += 1) {
      for (const { sink } of [first, second]) sink.complete();
      await turn();
    }
    expect([first.sink.received, second.sink.received]).to.deep.equal([1_800, 10_000]);
  });

  it('delivers every byte of every stream, whatever happens in which order', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.constantFrom(16 * 1024, 512 * 1024, 24 * 1024 * 1024),
        async (list, budget) => {
          const pool = new SlabPool({ budgetBytes: budget });
          const all = flows(pool, flowCount);
          for (const step of list) {
            if (step.do === 'read') read(all[step.flow], step.bytes, step.most);
            else all[step.flow]?.sink.complete();
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

  it('holds a bounded amount for a thousand streams that are stuck', () => {
    const pool = new SlabPool();
    for (const each of flows(pool, 1_000)) read(each, 10_000_000, 1_048_576);
    expect(pool.lentBytes).to.be.at.most(96 * 1024 * 1024);
  });

  it('takes large reads without copying once a stream is busy', async () => {
    const pool = new SlabPool();
    const [busy] = flows(pool, 2).slice(1);
    if (!busy) throw new Error('no flow');
    const sizes: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      sizes.push(busy.pump.buffer().length);
      read(busy, 4_000_000, 1_048_576);
      await turn();
      while (busy.sink.complete()) await turn();
    }
    expect(Math.max(...sizes)).to.be.at.least(512 * 1024);
  });
});

function read(flow: Flow | undefined, bytes: number, most: number): void {
  if (!flow) return;
  flow.source.available += bytes;
  flow.source.turn(most);
}
