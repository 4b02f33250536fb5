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
/** What may be in use at any time, garbage included: an input has a few hundred bytes, seldom 64 KiB. */
const usedBytes = 256 * 1024 * 1024;
/** Looking takes longer than most inputs. */
const lookEvery = 16;

/** How often each answer was given. */
export type Answers = ReadonlyMap<string, number>;

/**
 * Runs `check` on every input; it must neither throw, nor take long, nor take much memory, nor leave any behind. It says in
 * a word what came of the input.
 */
export function withstands<T>(
  inputs: fc.Arbitrary<T>,
  numRuns: number,
  check: (input: T) => string,
): Answers {
  const before = heapBytes();
  const answers = new Map<string, number>();
  let slowest = 0;
  let mostBytes = 0;
  let seen = 0;
  const property = fc.property(inputs, (input) => {
    const started = performance.now();
    const answer = check(input);
    slowest = Math.max(slowest, performance.now() - started);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    seen += 1;
    if (seen % lookEvery === 0) mostBytes = Math.max(mostBytes, usedNow());
  });
  fc.assert(property, { numRuns });
  expect(seen).to.be.at.least(numRuns);
  expect(slowest, 'milliseconds for one input').to.be.below(slowestMs);
  expect(mostBytes - before, 'bytes in use').to.be.below(usedBytes);
  expect(heapBytes() - before, 'bytes left behind').to.be.below(keptBytes);
  return answers;
}

/** Each of these answers was given to one input in five hundred at least: the inputs reach what they are meant to. */
export function expectAnswers(answers: Answers, expected: readonly string[]): void {
  const inputs = [...answers.values()].reduce((sum, count) => sum + count, 0);
  const rare = expected.filter((answer) => (answers.get(answer) ?? 0) < inputs / 500);
  expect(rare, JSON.stringify([...answers])).to.deep.equal([]);
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
  return usedNow();
}

function usedNow(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
