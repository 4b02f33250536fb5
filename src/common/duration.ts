// Durations as flags and configuration files write them: Go's format, such as 500ms, 1s or 1m30s.

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);
const DURATION = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smh]))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|[smh])/g;

/** Milliseconds of a duration such as `1m30s` or `0`; undefined when it is not one. Never negative. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > 64 || !DURATION.test(text)) return undefined;

  let total = 0;
  for (const [, amount, unit] of text.matchAll(PART)) {
    total += Number(amount) * (UNIT_MS.get(unit ?? '') ?? 0);
  }
  return total;
}
