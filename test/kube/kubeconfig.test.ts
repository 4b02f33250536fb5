import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('kubeconfigCredentials', () => {
  let directory: string;
  let file: string;
  let clock: ManualClock;

  const write = async (user: object, cluster: object = {}) => {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'https://api.example.com:6443/prefix/', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [
        { name: 'x', context: { cluster: 'c', user: 'u' } },
        { name: 'broken', context: { cluster: 'missing', user: 'u' } },
      ],
      'current-context': 'x',
    };
    await writeFile(file, stringify(config));
    return kubeconfigCredentials({ file, clock });
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
    file = join(directory, 'config');
    clock = new ManualClock();
  });

  afterEach(async () => await rm(directory, { recursive: true }));

  it('takes address, token, embedded CA and server name', async () => {
    const ca = Buffer.from('CA').toString('base64');
    const credentials = await write(
      { token: 'secret' },
      { 'certificate-authority-data': ca, 'tls-server-name': 'api' },
    );

    expect(credentials.baseUrl).to.equal('https://api.example.com:6443/prefix');
    expect(await credentials.authorization()).to.equal('Bearer secret');
    expect(await credentials.tls()).to.deep.include({
      ca: 'CA',
      serverName: 'api',
      insecureSkipVerify: false,
    });
  });

  it('reads certificate files again when they rotate', async () => {
    const [cert, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
    await writeFile(cert, 'CERT');
    await writeFile(key, 'KEY');
    const credentials = await write({ 'client-certificate': cert, 'client-key': key });
    expect(await credentials.tls()).to.include({ cert: 'CERT', key: 'KEY' });
    expect(await credentials.authorization()).to.equal(undefined);

    await writeFile(cert, 'CERT 2');
    expect(await credentials.tls()).to.include({ cert: 'CERT' });
    await clock.advance(10_000);
    expect(await credentials.tls()).to.include({ cert: 'CERT 2' });
  });

  it('takes user name and password, and skips verification only when told to', async () => {
    const credentials = await write({ username: 'u', password: 'p' }, { 'insecure-skip-tls-verify': true });
    expect(await credentials.authorization()).to.equal(`Basic ${Buffer.from('u:p').toString('base64')}`);
    expect(await credentials.tls()).to.include({ insecureSkipVerify: true });
  });

  it('asks an exec plugin', async () => {
    const plugin = join(directory, 'plugin');
    const answer = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'from-plugin' },
    };
    await writeFile(plugin, `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`);
    await chmod(plugin, 0o755);
    const exec = { apiVersion: answer.apiVersion, command: plugin, interactiveMode: 'Never' };
    const credentials = await write({ exec });

    expect(await credentials.authorization()).to.equal('Bearer from-plugin');
  });

  it('names what is wrong', async () => {
    const failure = (options: { file: string; context?: string }) => () =>
      kubeconfigCredentials({ ...options, clock });
    await write({ token: 't' });
    expect(failure({ file, context: 'broken' })).to.throw(/no cluster for context "broken"/);
    expect(failure({ file: join(directory, 'none') })).to.throw(/cannot be used/);
    await writeFile(file, '{{{');
    expect(failure({ file })).to.throw(/cannot be used/);
    const proxied = await write({ token: 't' }, { 'proxy-url': 'http://proxy:3128' }).catch(
      (error: unknown) => error,
    );
    expect(proxied).to.include({ code: 'ERR_KUBE_CREDENTIALS' });
  });

  it('fails a call, not the process, when a plugin fails', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: join(directory, 'missing') };
    const credentials = await write({ exec: { ...exec, interactiveMode: 'Never' } });
    const failure = await credentials.authorization().catch((error: unknown) => error);
    expect(failure).to.include({ code: 'ERR_KUBE_CREDENTIALS' });
  });
});
