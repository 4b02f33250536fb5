// The command lines that tools outside of this tree rely on. What is written here may be added to and never changed.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { managerCommand } from '../src/manager/flags.ts';
import { eventually } from './support/eventually.ts';

const root = dirname(import.meta.dirname);

const flags = {
  'dev-engine': [
    ...['--listen', '--token', '--ca-file', '--tcp-ports', '--domain', '--control-plane-listen'],
    ...['--admin-listen', '--hostname-conflict', '--streams-on-close', '--advertise'],
  ],
  agent: ['--config', '--health-bind-address'],
  manager: [
    ...['--kubeconfig', '--agent-image', '--leader-elect', '--metrics-bind-address'],
    '--health-probe-bind-address',
  ],
};

describe('command lines', () => {
  for (const [program, stable] of Object.entries(flags)) {
    it(`of the ${program} are documented by --help`, async () => {
      const main = join(root, 'src', program, 'main.ts');
      const { stdout } = await promisify(execFile)(process.execPath, [main, '--help']);

      for (const flag of stable) expect(stdout).to.match(new RegExp(`^ +${flag}\\b.* {2,}\\S`, 'm'));
    });
  }

  it('of the manager have a description for every flag', () => {
    for (const option of managerCommand().options) expect(option.description, option.flags).not.to.equal('');
  });

  it('start a dev engine that says where it is in one line, and ends with 0 on SIGTERM', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rstream-engine-test-'));
    const caFile = join(folder, 'ca.pem');
    const args = [
      ...['--listen', '127.0.0.1:0', '--token', 'T', '--ca-file', caFile, '--tcp-ports', '23700-23719'],
      ...[
        '--domain',
        'engine.test',
        '--control-plane-listen',
        '127.0.0.1:0',
        '--admin-listen',
        '127.0.0.1:0',
      ],
      ...['--hostname-conflict', 'takeover', '--streams-on-close', 'cut', '--advertise', 'engine.test:8443'],
    ];
    const child = spawn(process.execPath, [join(root, 'src/dev-engine/main.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    try {
      await eventually('the engine accepts connections', () => said.endsWith('\n'));
      child.kill('SIGTERM');
      const [code] = await once(child, 'close');

      expect(code).to.equal(0);
      expect(said.trimEnd().split('\n')).to.have.length(1);
      expect(JSON.parse(said)).to.include({ engine: 'engine.test:8443', caFile, domain: 'engine.test' });
      expect(readFileSync(caFile, 'utf8')).to.include('BEGIN CERTIFICATE');
      expect(existsSync(`${caFile}.key`)).to.equal(true);
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
