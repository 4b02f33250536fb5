import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { leaveLastWords } from '../../src/agent/last-words.ts';

describe("an agent's last words", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'last-words-'));
    file = join(folder, 'termination-log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are left in the file that the kubelet has made', () => {
    writeFileSync(file, '');
    leaveLastWords('transport.mode quic needs amd64', file);
    expect(readFileSync(file, 'utf8')).to.equal('transport.mode quic needs amd64');
  });

  it('make no file and no trouble outside of a Pod', () => {
    leaveLastWords('no', file);
    expect(existsSync(file)).to.equal(false);
    leaveLastWords('no', folder);
  });

  it('are cut', () => {
    writeFileSync(file, '');
    leaveLastWords('x'.repeat(5000), file);
    expect(readFileSync(file, 'utf8')).to.equal('x'.repeat(1024));
  });
});
