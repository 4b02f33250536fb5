// The counts of one test group, and how the runners' own output becomes them. Pure.

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  /** Full titles of what failed, skipped tests among them. */
  readonly failures: readonly string[];
}

/** A group that could not run at all: one failure that says why. */
export function brokenGroup(reason: string): TestCounts {
  return { passed: 0, failed: 1, failures: [reason] };
}

/** What scripts/mocha-counts.ts wrote. A skipped test is a failure: nobody reads a yellow line. */
export function mochaCounts(name: string, json: string, exitCode: number): TestCounts {
  const { passed, failed, pending, failures } = JSON.parse(json);
  const counts = { passed, failed: failed + pending, failures };
  if (counts.passed + counts.failed === 0) return brokenGroup(`group ${name} ran no test`);
  if (exitCode !== 0 && counts.failed === 0) {
    return { ...counts, failed: 1, failures: [`group ${name} ended with code ${exitCode} after its tests`] };
  }
  return counts;
}

/** Counts the events of `go test -json`: every test and subtest, a skipped one as a failure. */
export function goCounts(name: string, lines: string, exitCode: number): TestCounts {
  let passed = 0;
  const failures: string[] = [];
  for (const line of lines.split('\n')) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    if (event.Action === 'pass') passed += 1;
    if (event.Action === 'fail') failures.push(`${event.Package} ${event.Test}`);
    if (event.Action === 'skip') failures.push(`${event.Package} ${event.Test} (skipped)`);
  }
  if (exitCode !== 0 && failures.length === 0) failures.push(`${name}: go test ended with code ${exitCode}`);
  if (passed + failures.length === 0) return brokenGroup(`${name} ran no test`);
  return { passed, failed: failures.length, failures };
}

/** What a person wants of `go test -json`: a line per test, and everything that was printed around a failure. */
export function goOutput(lines: string): string {
  const said = new Map<string, string>();
  let shown = '';
  for (const line of lines.split('\n')) {
    const event = parseJson(line);
    if (event === undefined) {
      if (line !== '') shown += `${line}\n`;
      continue;
    }
    const name = `${event.Package} ${event.Test ?? ''}`.trimEnd();
    if (event.Action === 'build-output') shown += event.Output ?? '';
    if (event.Action === 'output') said.set(name, (said.get(name) ?? '') + (event.Output ?? ''));
    if (event.Action === 'fail') shown += said.get(name) ?? '';
    if (event.Action === 'pass' && event.Test !== undefined) shown += `  ok ${name} (${event.Elapsed} s)\n`;
  }
  return shown;
}

export function sumCounts(all: readonly TestCounts[]): TestCounts {
  return {
    passed: all.reduce((sum, counts) => sum + counts.passed, 0),
    failed: all.reduce((sum, counts) => sum + counts.failed, 0),
    failures: all.flatMap((counts) => counts.failures),
  };
}

/** The one line every run ends with. */
export function closingLine(counts: TestCounts): string {
  return `${counts.passed} passed, ${counts.failed} failed`;
}

interface GoEvent {
  readonly Action: string;
  readonly Package: string;
  readonly Test?: string;
  readonly Output?: string;
  readonly Elapsed?: number;
}

/** Undefined for lines that are about a package, or no event at all. */
function parseEvent(line: string): (GoEvent & { readonly Test: string }) | undefined {
  const event = parseJson(line);
  return event?.Test === undefined ? undefined : { ...event, Test: event.Test };
}

/** The compiler and the linker write plain text between the events. */
function parseJson(line: string): GoEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
