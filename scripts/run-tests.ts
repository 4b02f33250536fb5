// `make test`: runs every group of tests one after the other, builds what they need meanwhile, and ends with one line of counts.
// Exits with 0 only when every group ran at least one test and none failed or was skipped.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  brokenGroup,
  closingLine,
  goCounts,
  mochaCounts,
  sumCounts,
  type TestCounts,
} from './test-counts.ts';
import { type GoGroup, type MochaGroup, type TestGroup, testGroups } from './test-groups.ts';

const root = dirname(import.meta.dirname);
const workFolder = join(root, '.build', 'test');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: 'boolean', default: false } },
  });
  if (values.full) process.env.RSTREAM_TEST_FULL = '1';
  mkdirSync(workFolder, { recursive: true });

  const groups = chosenGroups(positionals);
  const binaries = groups.some((group) => group.runner === 'mocha' && group.needsBinaries)
    ? startBuild()
    : undefined;
  const results: TestCounts[] = [];
  for (const group of groups) {
    const started = performance.now();
    console.log(`\n=== ${group.name}`);
    const counts = await runGroup(group, binaries);
    results.push(counts);
    console.log(`--- ${group.name}: ${closingLine(counts)} in ${seconds(started)}`);
  }

  const total = sumCounts(results);
  for (const failure of total.failures) console.log(`failed: ${failure}`);
  const line = closingLine(total);
  writeFileSync(join(workFolder, 'closing-line'), `${line}\n`);
  console.log(`\n${line}`);
  return total.failed === 0 ? 0 : 1;
}

function chosenGroups(names: readonly string[]): readonly TestGroup[] {
  const all = testGroups(root);
  const unknown = names.filter((name) => !all.some((group) => group.name === name));
  if (unknown.length > 0)
    throw new Error(`no test group ${unknown.join(', ')}; there are ${all.map((g) => g.name).join(', ')}`);
  return names.length === 0 ? all : all.filter((group) => names.includes(group.name));
}

async function runGroup(group: TestGroup, binaries: Promise<number> | undefined): Promise<TestCounts> {
  if (group.runner === 'go') return runGo(group);
  if (group.files.length === 0) return brokenGroup(`group ${group.name} has no tests`);
  if (group.needsBinaries && (await binaries) !== 0) {
    return brokenGroup(`group ${group.name}: the Kubernetes programs could not be built, see ${buildLog}`);
  }
  return runMocha(group);
}

async function runMocha(group: MochaGroup): Promise<TestCounts> {
  const output = join(workFolder, `${group.name}.json`);
  rmSync(output, { force: true });
  const reporter = ['--reporter', './scripts/mocha-counts.ts', '--reporter-option', `output=${output}`];
  const limits = ['--timeout', String(group.timeoutMs), '--forbid-only'];
  const child = spawn('mocha', [...reporter, ...limits, ...group.files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const code = await exitCode(child);
  try {
    return mochaCounts(group.name, readFileSync(output, 'utf8'), code);
  } catch {
    return brokenGroup(`group ${group.name}: mocha ended with code ${code} before its tests did`);
  }
}

async function runGo(group: GoGroup): Promise<TestCounts> {
  const results: TestCounts[] = [];
  for (const module of group.modules) {
    console.log(`go test ./${module}/...`);
    const child = spawn('go', ['test', '-count=1', '-json', './...'], {
      cwd: join(root, module),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let lines = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      lines += text;
    });
    const code = await exitCode(child);
    results.push(goCounts(module, lines, code));
  }
  return results.length === 0 ? brokenGroup('group go has no tests') : sumCounts(results);
}

const buildLog = join(root, '.build', 'test', 'cluster-build.log');

/** Builds etcd, the API server and the rest while tests that need none of them run. */
function startBuild(): Promise<number> {
  console.log('building the Kubernetes programs in the background');
  const child = spawn('make', ['--no-print-directory', 'cluster-binaries'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const collect = (text: string) => {
    log += text;
    process.stdout.write(text.replaceAll(/^(?=.)/gm, '[build] '));
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  return exitCode(child).then((code) => {
    writeFileSync(buildLog, log);
    return code;
  });
}

async function exitCode(child: ChildProcess): Promise<number> {
  try {
    const [code] = await once(child, 'close');
    return typeof code === 'number' ? code : 1;
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

process.exitCode = await main();
