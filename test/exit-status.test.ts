// How our programs end when they cannot start: with 2 when somebody has to change what they were told, with 1 when another
// start may help, and with one line that says it.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { exitStatus } from '../src/common/exit-status.ts';
import { writeKubeconfig } from './support/kubeconfig-file.ts';

const root = dirname(import.meta.dirname);

describe('exit status', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'rstream-exit-'));
  const file = (name: string) => join(folder, name);
  let taken: Server;
  let address: string;

  before(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    writeFileSync(file('no-directory'), 'this is neither a certificate nor YAML: {{{\n{');
    writeFileSync(
      file('agent.yaml'),
      'connection: {engine: "127.0.0.1:9"}\ntunnel: {name: a}\ntarget: {host: a, port: "80", protocol: TCP}\n',
    );
    writeKubeconfig(file('kubeconfig'), {
      ...{ server: 'https://127.0.0.1:9', token: 'T' },
      caFile: file('no-directory'),
    });
  });
  after(() => {
    taken.close();
    rmSync(folder, { recursive: true });
  });

  const cases: readonly {
    readonly program: 'manager' | 'agent' | 'dev-engine';
    readonly of: string;
    readonly args: () => readonly string[];
    readonly status: number;
    readonly says: () => string;
  }[] = [
    {
      ...{ program: 'manager', of: 'a flag that there is not' },
      args: () => ['--agent-image', 'a', '--colour'],
      ...{ status: exitStatus.usage, says: () => "rstream-manager: unknown option '--colour'" },
    },
    {
      ...{ program: 'manager', of: 'flags that contradict each other' },
      args: () => ['--agent-image', 'a', '--lease-duration', '5s'],
      ...{ status: exitStatus.usage, says: () => 'rstream-manager: --lease-duration must be longer' },
    },
    {
      ...{ program: 'manager', of: 'a kubeconfig that is not there' },
      args: () => ['--agent-image', 'a', '--kubeconfig', file('missing')],
      ...{
        status: exitStatus.usage,
        says: () => `rstream-manager: the kubeconfig ${file('missing')} cannot`,
      },
    },
    {
      ...{ program: 'manager', of: 'a subcommand without its flags' },
      args: () => ['take-over-crds'],
      ...{
        status: exitStatus.usage,
        says: () => "rstream-manager take-over-crds: required option '--release",
      },
    },
    {
      ...{ program: 'manager', of: 'a port that is taken, though its other one is served' },
      args: () => [
        ...['--agent-image', 'a', '--kubeconfig', file('kubeconfig')],
        ...['--health-probe-bind-address', '127.0.0.1:0', '--metrics-bind-address', address],
      ],
      ...{ status: exitStatus.failed, says: () => `--metrics-bind-address ${address}: another process` },
    },
    {
      ...{ program: 'agent', of: 'a flag that there is not' },
      args: () => ['--colour'],
      ...{ status: exitStatus.usage, says: () => "rstream-agent: Unknown option '--colour'" },
    },
    {
      ...{ program: 'agent', of: 'a configuration that is none' },
      args: () => ['--config', file('no-directory')],
      ...{ status: exitStatus.usage, says: () => `rstream-agent: ${file('no-directory')}: ` },
    },
    {
      ...{ program: 'agent', of: 'a port that is taken' },
      args: () => ['--config', file('agent.yaml'), '--health-bind-address', address],
      ...{ status: exitStatus.failed, says: () => `--health-bind-address ${address}: another process` },
    },
    {
      ...{ program: 'dev-engine', of: 'a flag with a bad value' },
      args: () => ['--country', 'nowhere=FR'],
      ...{
        status: exitStatus.usage,
        says: () => 'argument \'nowhere=FR\' is invalid: "nowhere" is not an IP',
      },
    },
    {
      ...{ program: 'dev-engine', of: 'an authority that cannot be made' },
      args: () => ['--listen', '127.0.0.1:0', '--ca-file', join(file('no-directory'), 'ca.pem')],
      ...{ status: exitStatus.usage, says: () => `dev-engine: --ca-file ${file('no-directory')}` },
    },
    {
      ...{ program: 'dev-engine', of: 'a port that is taken' },
      args: () => ['--listen', address, '--ca-file', file('ca.pem')],
      ...{ status: exitStatus.failed, says: () => `dev-engine: --listen ${address}: another process` },
    },
  ];
  for (const { program, of, args, status, says } of cases) {
    it(`of the ${program} is ${status} for ${of}, and one line says so`, async () => {
      const { output, code } = await run(program, args());

      expect(code, output).to.equal(status);
      expect(output.trimEnd().split('\n'), output).to.have.length(1);
      expect(output.split(says())).to.have.length(2, output);
    });
  }
});

async function run(program: string, args: readonly string[]) {
  const { KUBERNETES_SERVICE_HOST: _, ...env } = process.env;
  const child = execFile(process.execPath, [join(root, 'src', program, 'main.ts'), ...args], {
    env: { ...env, RSTREAM_AUTHENTICATION_TOKEN: 'T' },
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  return { output, code };
}
