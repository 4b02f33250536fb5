// Reads the GitHub workflows, so that a test can carry out what a step of theirs would.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './documented.ts';

// biome-ignore lint/suspicious/noExplicitAny: a workflow has whatever GitHub knows
export type Workflow = any;

export function workflow(name: string): Workflow {
  return parse(readFileSync(join(ROOT, `.github/workflows/${name}.yaml`), 'utf8'));
}

/** The step of that name; throws when there is none. */
export function workflowStep(file: string, job: string, step: string): { readonly run: string } {
  const found = workflow(file).jobs[job]?.steps.find(({ name }: { name?: string }) => name === step);
  if (!found?.run) throw new Error(`${file}.yaml has no step "${step}" in job ${job} that runs something`);
  return found;
}
