// Which streams are taken near the memory limit of the container, and that they are taken again when there is room.

import { expect } from 'chai';
import { containerLimit, MemoryBound, type MemoryReading } from '../../src/agent/memory-bound.ts';
import type { Logger } from '../../src/common/logging.ts';
import { ManualClock } from '../support/manual-clock.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
/** What a stream takes that does nothing, and one that stalls at its worst. */
const idleBytes = 80 * kibibyte;
const stalledBytes = 940 * kibibyte;

describe('MemoryBound', () => {
  let clock: ManualClock;
  let reading: MemoryReading;
  let reads: number;
  let warnings: object[];
  let bound: MemoryBound;

  beforeEach(() => {
    clock = new ManualClock();
    reading = { limit: 256 * mebibyte, used: 70 * mebibyte };
    reads = 0;
    warnings = [];
    const log: Logger = {
      debug: () => {},
      info: () => {},
      warn: (fields: object) => void warnings.push(fields),
      error: () => {},
      child: () => log,
    };
    const read = () => {
      reads += 1;
      return reading;
    };
    bound = new MemoryBound({ clock, log, read });
  });

  const usedMiB = (used: number) => {
    reading = { ...reading, used: used * mebibyte };
  };

  /** Opens streams of `bytes` each until one is refused, or there are `most`; returns how many. */
  async function flood(bytes: number, most = 20_000): Promise<number> {
    const { used } = reading;
    let open = 0;
    while (open < most && bound.hasRoom(open, 0)) {
      open += 1;
      reading = { ...reading, used: used + open * bytes };
      if (open % 100 === 0) await clock.advance(100);
    }
    return open;
  }

  it('takes a thousand idle streams with the default limit, and refuses long before the limit', async () => {
    expect(await flood(idleBytes)).to.be.within(1_000, 1_400);
    expect(reading.used).to.be.below(200 * mebibyte);
  });

  it('takes as many as fit with every one of them stalled, and no more', async () => {
    const open = await flood(stalledBytes);
    expect(open).to.be.within(190, 200);
    expect(70 * mebibyte + open * stalledBytes).to.be.below(256 * mebibyte);
  });

  for (const limitMiB of [128, 512, 1024, 4096]) {
    it(`keeps stalled streams below a limit of ${limitMiB} MiB too`, async () => {
      reading = { limit: limitMiB * mebibyte, used: 70 * mebibyte };
      const open = await flood(stalledBytes);
      expect(open).to.be.at.least(32);
      expect(reading.used).to.be.below(limitMiB * mebibyte);
    });
  }

  it('counts what is being opened as if it were there', async () => {
    usedMiB(150);
    expect(bound.hasRoom(1_000, 0)).to.equal(true);
    expect(bound.hasRoom(1_000, 255)).to.equal(false);
  });

  it('takes streams again when memory is free again', async () => {
    usedMiB(230);
    expect(bound.hasRoom(1_000, 0)).to.equal(false);
    usedMiB(140);
    await clock.advance(100);
    expect(bound.hasRoom(1_000, 0)).to.equal(true);
  });

  it('takes streams again when the others have gone, even if their memory stays resident', async () => {
    usedMiB(250);
    expect(bound.hasRoom(1_200, 0)).to.equal(false);
    await clock.advance(100);
    expect(bound.hasRoom(195, 0)).to.equal(true);
    expect(bound.hasRoom(200, 0)).to.equal(false);
  });

  it('takes a few streams whatever the limit', () => {
    reading = { limit: 64 * mebibyte, used: 70 * mebibyte };
    expect(bound.hasRoom(31, 0)).to.equal(true);
    expect(bound.hasRoom(32, 0)).to.equal(false);
  });

  it('refuses nothing without a limit', () => {
    reading = { limit: undefined, used: 8_000 * mebibyte };
    expect(bound.hasRoom(9_999, 255)).to.equal(true);
    expect(warnings).to.deep.equal([]);
  });

  it('follows a limit that is raised while it runs', async () => {
    usedMiB(250);
    expect(bound.hasRoom(1_000, 0)).to.equal(false);
    reading = { ...reading, limit: 512 * mebibyte };
    await clock.advance(100);
    expect(bound.hasRoom(1_000, 0)).to.equal(true);
  });

  it('reads memory once for 16 streams or 100 ms, so that a burst cannot jump over the limit', async () => {
    for (let count = 0; count < 160; count += 1) bound.hasRoom(100, 0);
    expect(reads).to.equal(10);
    await clock.advance(99);
    bound.hasRoom(100, 0);
    expect(reads).to.equal(11);
    await clock.advance(100);
    bound.hasRoom(100, 0);
    expect(reads).to.equal(12);
  });

  it('does not read again for each that it refuses', () => {
    usedMiB(250);
    for (let count = 0; count < 1_000; count += 1) bound.hasRoom(1_000, 0);
    expect(reads).to.equal(1);
  });

  it('warns once a minute', async () => {
    usedMiB(230);
    for (let count = 0; count < 600; count += 1) {
      bound.hasRoom(1_000, 0);
      await clock.advance(100);
    }
    bound.hasRoom(1_000, 0);
    expect(warnings).to.deep.equal([
      { cause: 'memory', streams: 1_000, usedMiB: 230, limitMiB: 256 },
      { cause: 'memory', streams: 1_000, usedMiB: 230, limitMiB: 256 },
    ]);
  });
});

describe('containerLimit', () => {
  const machine = 16 * 1024 * mebibyte;
  const cases: ReadonlyArray<readonly [string, number, number | undefined]> = [
    ['a limit of the container', 256 * mebibyte, 256 * mebibyte],
    ['cgroup v2 without a limit', 2 ** 64, undefined],
    ['cgroup v1 without a limit', 2 ** 63 - 4096, undefined],
    ['a system that cannot tell', 0, undefined],
    ['as much as the machine has', machine, undefined],
    ['more than the machine has', machine + 1, undefined],
  ];
  for (const [what, constrained, expected] of cases) {
    it(`${what}: ${expected === undefined ? 'none' : 'that'}`, () => {
      expect(containerLimit(constrained, machine)).to.equal(expected);
    });
  }
});
