// Every test of the tree is in exactly one job.

import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { testJobs } from '../../scripts/test-groups.ts';

const root = dirname(dirname(import.meta.dirname));

describe('test jobs', () => {
  const jobs = testJobs(root);

  it('run every test file once', () => {
    const run = jobs.flatMap(({ work }) => (work.runner === 'mocha' ? work.files : []));
    const all = globSync('test/**/*.test.ts', { cwd: root }).filter(
      (file) => !file.startsWith('test/bench/'),
    );

    expect([...run].sort()).to.deep.equal(all.sort());
  });

  it('run every Go module that has tests', () => {
    const run = jobs.flatMap(({ work }) => (work.runner === 'go' ? [work.module] : []));
    const tests = globSync('test/**/*_test.go', { cwd: root });

    expect(tests.length).to.be.greaterThan(0);
    for (const file of tests)
      expect(
        run.some((module) => file.startsWith(`${module}/`)),
        file,
      ).to.equal(true);
  });

  it('have more time where the long proofs run at their full counts, and less than the whole run', () => {
    const full = testJobs(root, { full: true });
    for (const [index, { name, deadlineMinutes }] of jobs.entries()) {
      expect(full[index]?.name).to.equal(name);
      // The hostile input alone takes twelve minutes.
      expect(full[index]?.deadlineMinutes, name)
        .to.be.at.least(Math.max(60, 5 * deadlineMinutes))
        .and.below(240);
    }
  });

  it('have names of their own, and no part is empty', () => {
    expect(new Set(jobs.map((job) => job.name)).size).to.equal(jobs.length);
    for (const { name, work } of jobs)
      if (work.runner === 'mocha') expect(work.files, name).to.not.deep.equal([]);
  });
});
