// The manager's process, from its flags to its end, against an API server that says what a test tells it to.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { writeKubeconfig } from '../support/kubeconfig-file.ts';
import { bookmark, json, list, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

const patience = { timeoutMs: 60_000 };

describe('the manager as a process', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-manager-'));
  const caFile = join(directory, 'ca.crt');
  let server: ScriptedApiserver;
  let daemon: Daemon | undefined;

  beforeEach(async () => {
    server = await ScriptedApiserver.start({ tls: true });
    writeFileSync(caFile, `${(await server.credentials.tls()).ca}`);
    server.otherwise('list', list(5, [])).otherwise('watch', watch(bookmark(6)));
  });
  afterEach(async () => {
    await daemon?.stop();
    await server.stop();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function start(name: string, ...args: readonly string[]): Daemon {
    const kubeconfig = join(directory, `${name}.kubeconfig`);
    writeKubeconfig(kubeconfig, { server: server.url, caFile, token: 'token' });
    daemon = new Daemon({
      command: process.execPath,
      args: [
        ...['src/manager/main.ts', '--kubeconfig', kubeconfig, '--agent-image', 'agent:test'],
        ...['--metrics-bind-address', '127.0.0.1:0', '--health-probe-bind-address', '127.0.0.1:0', ...args],
      ],
      logFile: join(directory, `${name}.log`),
    });
    return daemon;
  }

  const levelsOf = (running: Daemon) =>
    new Set([...running.tail(1000).matchAll(/"level":"?(\w+)/g)].map(([, level]) => level));

  it('logs what --log-level asks for: warnings, but not that it serves', async () => {
    server.otherwise('list', status(500, 'InternalError'));
    const quiet = start('quiet', '--log-level', 'warn', '--cluster-id', 'c');
    await eventually('it warns', () => quiet.tail().includes('listing pods failed'), patience);
    const levels = levelsOf(quiet);
    expect(levels.size, [...levels].join()).to.equal(1);
    expect(quiet.tail(1000)).not.to.include('serving probes and metrics');
  });

  it('tells by default on which ports it serves', async () => {
    const running = start('usual', '--cluster-id', 'c');
    const ports = await eventually(
      'it serves',
      () => /"probes":(\d+),"metrics":(\d+)/.exec(running.tail(1000))?.slice(1),
      patience,
    );
    const [probes, metrics] = await Promise.all([
      fetch(`http://127.0.0.1:${ports[0]}/healthz`),
      fetch(`http://127.0.0.1:${ports[1]}/metrics`),
    ]);
    expect([probes.status, metrics.status]).to.deep.equal([200, 200]);
  });

  it('does not stand by for a leader that it could not replace', async () => {
    const spec = { holderIdentity: 'another', leaseDurationSeconds: 600, leaseTransitions: 0 };
    const metadata = { name: 'rstream-operator.tunnels.rstream.io', resourceVersion: '1' };
    server.otherwise('get', (response, request) => {
      const isLease = request.path.includes('/leases/');
      (isLease ? json(200, { metadata, spec }) : status(403, 'Forbidden'))(response, request);
    });
    const standby = start('standby', '--leader-elect', '--leader-election-namespace', 'default');
    await eventually('it has ended', () => !standby.running, patience);
    expect(standby.exitCode).to.equal(1);
    expect(standby.tail()).to.include('set --cluster-id');
  });
});
