// Golden files: expected output kept beside the tests. UPDATE_GOLDEN=1 writes them; review the difference by hand.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';

/** Compares text with the golden file at `url`. */
export function expectGolden(actual: string, url: URL): void {
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(url.pathname), { recursive: true });
    writeFileSync(url, actual);
  }
  expect(actual).to.equal(readFileSync(url, 'utf8'));
}
