// What a bench hands back: rows of numbers, each with its budget where one exists, as JSON for machines and a table for
// people. Only counts and ratios of counts decide; wall-clock rows are judged too, but a slow machine never fails a run.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** `count`: the same on every machine, so a broken budget fails the run. `measure`: depends on the machine. */
export type RowKind = 'count' | 'measure';

export interface BenchRow {
  readonly what: string;
  readonly value: number;
  /** Like `s`, `MiB`, `MB/s`; absent for plain counts and ratios. */
  readonly unit?: string;
  readonly kind: RowKind;
  /** The bound that the value must keep. */
  readonly budget?: { readonly atMost: number } | { readonly atLeast: number };
  /** What others need for the same, or how the value was measured. */
  readonly note?: string;
}

export interface BenchReport {
  readonly bench: string;
  readonly rows: readonly BenchRow[];
}

export type Verdict = 'pass' | 'FAIL' | '';

function verdictOf({ value, budget }: BenchRow): Verdict {
  if (budget === undefined) return '';
  const holds = 'atMost' in budget ? value <= budget.atMost : value >= budget.atLeast;
  return holds ? 'pass' : 'FAIL';
}

/** Rows whose broken budget is a mistake of ours on any machine. */
export function brokenCounts(report: BenchReport): readonly BenchRow[] {
  return report.rows.filter((row) => row.kind === 'count' && verdictOf(row) === 'FAIL');
}

/** A Markdown table, so that it can be pasted into docs/benchmarks.md as it is. */
export function tableOf(report: BenchReport): string {
  const cells = report.rows.map((row) => [
    row.what,
    `${format(row.value)}${row.unit === undefined ? '' : ` ${row.unit}`}`,
    budgetText(row),
    verdictOf(row),
    row.note ?? '',
  ]);
  const all = [['what', 'measured', 'budget', 'verdict', 'note'], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0), 3),
  );
  const line = (texts: readonly string[]) =>
    `| ${texts.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

/** Writes `<bench>.json` and `<bench>.md` below `folder` and returns their common path without the ending. */
export function writeReport(report: BenchReport, folder: string, command: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, report.bench);
  const machine = machineText();
  const date = new Date().toISOString();
  const rows = report.rows.map((row) => ({ ...row, verdict: verdictOf(row) }));
  writeFileSync(
    `${path}.json`,
    `${JSON.stringify({ ...report, date, machine, command, rows }, undefined, 2)}\n`,
  );
  writeFileSync(`${path}.md`, `${date.slice(0, 10)}, ${machine}, \`${command}\`\n\n${tableOf(report)}\n`);
  return path;
}

function machineText(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
}

function budgetText({ budget, unit }: BenchRow): string {
  if (budget === undefined) return '';
  const [sign, bound] = 'atMost' in budget ? ['≤', budget.atMost] : ['≥', budget.atLeast];
  return `${sign} ${bound}${unit === undefined ? '' : ` ${unit}`}`;
}

function format(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}
