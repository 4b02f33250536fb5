// What the runners print becomes counts, and text for people.

import { expect } from 'chai';
import { closingLine, goCounts, goOutput, sumCounts } from '../../scripts/test-counts.ts';

const events = [
  { Action: 'start', Package: 'p' },
  { Action: 'run', Package: 'p', Test: 'TestGood' },
  { Action: 'output', Package: 'p', Test: 'TestGood', Output: 'nobody asks\n' },
  { Action: 'pass', Package: 'p', Test: 'TestGood', Elapsed: 0.1 },
  { Action: 'output', Package: 'p', Test: 'TestBad', Output: 'why it failed\n' },
  { Action: 'fail', Package: 'p', Test: 'TestBad', Elapsed: 0.2 },
  { Action: 'skip', Package: 'p', Test: 'TestSkipped' },
  { Action: 'fail', Package: 'p', Elapsed: 0.4 },
];
const lines = [...events.map((event) => JSON.stringify(event)), 'plain text', '{broken'].join('\n');

describe('test counts', () => {
  it('counts the events of go test, skipped ones as failures', () => {
    expect(goCounts('p', lines, 1)).to.deep.equal({
      passed: 1,
      failed: 2,
      failures: ['p TestBad', 'p TestSkipped (skipped)'],
    });
  });

  it('fails a module that did not compile, and one without tests', () => {
    const broken = JSON.stringify({ Action: 'build-output', Package: 'p', Output: 'syntax error\n' });
    expect(goCounts('p', broken, 2).failures).to.deep.equal(['p: go test ended with code 2']);
    expect(goOutput(broken)).to.equal('syntax error\n');
    expect(goCounts('p', '', 0).failures).to.deep.equal(['p ran no test']);
  });

  it('shows what failed and why', () => {
    expect(goOutput(lines)).to.equal('  ok p TestGood (0.1 s)\nwhy it failed\nplain text\n{broken\n');
  });

  it('ends with one line', () => {
    const sum = sumCounts([
      { passed: 2, failed: 0, failures: [] },
      { passed: 3, failed: 1, failures: ['x'] },
    ]);
    expect(closingLine(sum)).to.equal('5 passed, 1 failed');
  });
});
