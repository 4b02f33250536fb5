// What a part of the control bench reports: measures, which a budget judges, ratios to the bare client, and counts, which
// fail the run when they break theirs.

import type { BenchRow } from '../report.ts';

/** How a row's note says whose numbers it holds. */
export const goOperator = 'Go operator v0.5.2:';

export function row(what: string, value: number, unit: string, atMost?: number, note?: string): BenchRow {
  return {
    what,
    value,
    unit,
    kind: 'measure',
    ...(atMost === undefined ? {} : { budget: { atMost } }),
    ...(note === undefined ? {} : { note }),
  };
}

export function ratio(what: string, value: number): BenchRow {
  return { what, value, kind: 'measure', budget: { atMost: 1.4 } };
}

export function counted(what: string, value: number, atMost: number, note?: string): BenchRow {
  return { what, value, kind: 'count', budget: { atMost }, ...(note === undefined ? {} : { note }) };
}
