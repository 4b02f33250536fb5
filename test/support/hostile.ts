// Hostile input by the hundred thousand: what every parser of foreign bytes must stand. A million inputs each in the full run.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';

const full = process.env.RSTREAM_TEST_FULL === '1';

/** For parsers that take longer per input, fewer by default. */
export function inputCount(byDefault: number): number {
  return full ? 1_000_000 : byDefault;
}

/** Far more than any input may take, and than a busy machine takes away. */
const slowestMs = 10_000;
const keptBytes = 64 * 1024 * 1024;

/** Runs `check` on every input; it must neither throw, nor take long, nor leave anything behind. */
export function withstands<T>(inputs: fc.Arbitrary<T>, numRuns: number, check: (input: T) => void): void {
  const before = heapBytes();
  let slowest = 0;
  let seen = 0;
  const property = fc.property(inputs, (input) => {
    const started = performance.now();
    check(input);
    slowest = Math.max(slowest, performance.now() - started);
    seen += 1;
  });
  fc.assert(property, { numRuns });
  expect(seen).to.be.at.least(numRuns);
  expect(slowest, 'milliseconds for one input').to.be.below(slowestMs);
  expect(heapBytes() - before, 'bytes left behind').to.be.below(keptBytes);
}

/** Valid bytes with something changed in up to three places: overwritten, cut out, put in, or cut off. */
export function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    how: fc.constantFrom('overwrite', 'remove', 'insert', 'truncate'),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 5 }),
  });
  return fc.tuple(valid, fc.array(edit, { maxLength: 3 })).map(([bytes, edits]) =>
    edits.reduce<Uint8Array>((result, { how, at, bytes: more }) => {
      const place = at % (result.length + 1);
      const front = result.subarray(0, place);
      if (how === 'truncate') return front;
      if (how === 'insert') return Buffer.concat([front, more, result.subarray(place)]);
      const rest = result.subarray(place + more.length);
      return how === 'remove' ? Buffer.concat([front, rest]) : Buffer.concat([front, more, rest]);
    }, bytes),
  );
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
