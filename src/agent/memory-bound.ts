// Whether the container has memory for one more stream. At its limit the kernel ends the agent, and every stream with it.
// As many streams as fit however they stall are always taken, because what was used once stays resident when streams have
// gone; beyond them, what is in use decides, with what the open ones may still take.

import { totalmem } from 'node:os';
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import { seldom } from './seldom.ts';

export interface MemoryReading {
  /** Bytes that the container may use; undefined without a limit. */
  readonly limit: number | undefined;
  /** Bytes in use now. */
  readonly used: number;
}

export interface MemoryBoundOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: the process's own. */
  readonly read?: () => MemoryReading;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** An agent without streams takes 70 MiB. */
const baseBytes = 72 * mebibyte;
/** The most that a stream was seen to take: to a Service that does not read, 288 KiB and 650 KiB in the system's buffers. */
const stalledBytes = 960 * kibibyte;
/** Of a stream that is being opened, and so not seen yet. */
const openingBytes = 80 * kibibyte;
/** What each open stream may still take: with more, a thousand idle ones would not fit the default limit of 256 MiB. */
const growthBytes = 80 * kibibyte;
/** Kept free. */
const reserveBytes = 16 * mebibyte;
/** Taken whatever the limit: an agent that takes none is of no use. */
const fewStreams = 32;

/** A reading, 0.1 ms of CPU, serves so many streams and so long: at their worst they take no more than is kept free. */
const readingStreams = 16;
const readingMs = 100;
const warningQuietMs = 60_000;

export class MemoryBound {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #read: () => MemoryReading;
  readonly #warns: () => boolean;
  #reading: MemoryReading = { limit: undefined, used: 0 };
  #readAt = Number.NEGATIVE_INFINITY;
  #taken = 0;

  constructor({ clock, log, read = ownMemory }: MemoryBoundOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#read = read;
    this.#warns = seldom(clock, warningQuietMs);
  }

  /** Whether one more stream may be opened beside so many open ones and so many that are being opened. */
  hasRoom(open: number, opening: number): boolean {
    if (open + opening < fewStreams) return true;
    const { limit, used } = this.#recent();
    if (limit === undefined) return true;
    const fitsAnyway = baseBytes + (open + opening + 1) * stalledBytes <= limit;
    const expected = used + open * growthBytes + (opening + 1) * (openingBytes + growthBytes);
    const room = fitsAnyway || expected <= limit - reserveBytes;
    if (room) this.#taken += 1;
    else this.#refused(limit, used, open);
    return room;
  }

  #recent(): MemoryReading {
    const now = this.#clock.now();
    if (this.#taken >= readingStreams || now - this.#readAt >= readingMs) {
      this.#reading = this.#read();
      this.#readAt = now;
      this.#taken = 0;
    }
    return this.#reading;
  }

  #refused(limit: number, used: number, streams: number): void {
    if (!this.#warns()) return;
    this.#log.warn(
      { cause: 'memory', streams, usedMiB: toMiB(used), limitMiB: toMiB(limit) },
      'refused a stream: near the memory limit; raise spec.agent.resources.limits.memory for more at one time',
    );
  }
}

/**
 * The limit is read anew each time, because a Pod can be resized while it runs. With cgroup v2 the container's memory includes
 * what its sockets hold, which may be more than what is resident; resident memory includes program code that others share,
 * which makes up for what v1 does not count.
 */
function ownMemory(): MemoryReading {
  const limit = containerLimit(process.constrainedMemory(), totalmem());
  const resident = process.memoryUsage.rss();
  const charged = limit === undefined ? 0 : limit - process.availableMemory();
  return { limit, used: Math.max(resident, charged) };
}

/**
 * Without a limit Node answers 2^64, with cgroup v1 also nearly 2^63, and 0 where it cannot tell; one that is no smaller than
 * the machine will not be reached.
 */
export function containerLimit(constrained: number, machine: number): number | undefined {
  return constrained > 0 && constrained < machine ? constrained : undefined;
}

function toMiB(bytes: number): number {
  return Math.round(bytes / mebibyte);
}
