// The process: the line it prints, the files it keeps, and how it ends.

import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { expect } from 'chai';

const main = join(import.meta.dirname, '../../src/dev-engine/main.ts');

describe('dev engine: process', function () {
  this.timeout(60_000);
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'engine-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function run(...args: string[]) {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    const lines = createInterface(child.stdout);
    const exited = once(child, 'close');
    const first = await Promise.race([
      once(lines, 'line').then(([line]) => String(line)),
      exited.then(() => ''),
    ]);
    return { child, exited, line: first === '' ? {} : JSON.parse(first), errors: () => errors };
  }

  it('prints one line, keeps its authority across restarts and exits 0 on SIGTERM', async () => {
    const caFile = join(directory, 'sub', 'ca.pem');
    const args = [
      '--listen',
      '127.0.0.1:0',
      '--token',
      'T',
      '--ca-file',
      caFile,
      '--tcp-ports',
      '23600-23610',
    ];
    const listeners = ['--admin-listen', '127.0.0.1:0', '--control-plane-listen', '127.0.0.1:0'];
    let authority = '';
    for (const extra of [listeners, ['--advertise', 'engine.demo.svc:8443']]) {
      const { child, exited, line } = await run(...args, ...extra);
      expect(line).to.include({ caFile, domain: 'engine.localhost', tcpPorts: '23600-23610' });
      if (extra === listeners) {
        expect(line.engine).to.equal(`127.0.0.1:${line.listenPort}`);
        expect([line.admin, line.controlPlane].every((text) => /^127\.0\.0\.1:\d+$/.test(text))).to.equal(
          true,
        );
        authority = await readFile(caFile, 'utf8');
        expect(new X509Certificate(authority).ca).to.equal(true);
        expect((await stat(`${caFile}.key`)).mode & 0o777).to.equal(0o600);
      } else {
        expect(line.engine).to.equal('engine.demo.svc:8443');
        expect(await readFile(caFile, 'utf8')).to.equal(authority);
      }
      const socket = connect({
        host: '127.0.0.1',
        port: line.listenPort,
        servername: 'engine.demo.svc',
        ca: authority,
      });
      await once(socket, 'secureConnect');
      socket.destroy();
      child.kill('SIGTERM');
      expect((await exited)[0]).to.equal(0);
    }
  });

  it('says what is missing when only half of its authority is there', async () => {
    const caFile = join(directory, 'sub', 'ca.pem');
    await rm(`${caFile}.key`);
    const { exited, errors } = await run('--listen', '127.0.0.1:0', '--token', 'T', '--ca-file', caFile);
    expect((await exited)[0]).to.equal(2);
    expect(errors()).to.contain('ca.pem.key is missing');
  });
});
