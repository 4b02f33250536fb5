// Builds the cluster's programs, skipping what is there already. Each step builds beside the binaries folder and moves its
// programs in at the end, so an interrupted build never leaves half a program behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildStep, buildSteps, moduleFolder, stepDigest } from './binaries.ts';
import { binariesFolder, testHome } from './settings.ts';

/** Builds every step that is missing or outdated; `say` gets one line when a step begins and one when it ends. */
export async function buildBinaries(
  say: (line: string) => void,
  signal?: AbortSignal,
  steps: readonly BuildStep[] = buildSteps,
): Promise<void> {
  const folder = binariesFolder();
  mkdirSync(testHome(), { recursive: true });
  mkdirSync(folder, { recursive: true });

  const needed = steps.filter((step) => !isCurrent(folder, step));
  if (needed.length === 0) return;
  const expected = needed.reduce((sum, step) => sum + step.coldSeconds, 0);
  say(
    `${needed.length} of ${steps.length} builds are missing: ${minutes(expected)} with nothing cached, less otherwise`,
  );
  for (const [index, step] of needed.entries()) {
    const started = performance.now();
    const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
    const position = `(${index + 1}/${needed.length})`;
    say(`${position} building ${step.name} …`);
    const pulse = setInterval(() => {
      say(`${position} still building ${step.name}: ${seconds()} s of about ${step.coldSeconds}`);
    }, 30_000);
    try {
      await buildStep(folder, step, signal);
    } finally {
      clearInterval(pulse);
    }
    say(`${position} built ${step.name} in ${seconds()} s`);
  }
}

function stampFile(folder: string, step: BuildStep): string {
  return join(folder, `.${step.programs[0]}.inputs`);
}

function isCurrent(folder: string, step: BuildStep): boolean {
  if (!step.programs.every((program) => existsSync(join(folder, program)))) return false;
  const stamp = stampFile(folder, step);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === stepDigest(step);
}

async function buildStep(folder: string, step: BuildStep, signal: AbortSignal | undefined): Promise<void> {
  const digest = stepDigest(step);
  const out = mkdtempSync(join(testHome(), 'build-'));
  try {
    await runGo(step, out, signal);
    for (const program of step.programs) renameSync(join(out, program), join(folder, program));
    writeFileSync(stampFile(folder, step), digest);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

async function runGo(step: BuildStep, out: string, signal: AbortSignal | undefined): Promise<void> {
  const args = step.goArguments.map((argument) => argument.replace('{out}', `${out}/`));
  const child = spawn('nice', ['-n', '5', 'go', ...args], {
    cwd: moduleFolder(step) ?? out,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOBIN: out },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal && { signal }),
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-20_000);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`go ${args[0]} of ${step.name} failed:\n${errors}`);
}

function minutes(seconds: number): string {
  return seconds < 90 ? `about ${seconds} s` : `about ${Math.ceil(seconds / 60)} minutes`;
}
