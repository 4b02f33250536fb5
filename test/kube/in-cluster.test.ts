import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { inClusterCredentials, inClusterNamespace, isInCluster } from '../../src/kube/in-cluster.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('inClusterCredentials', () => {
  const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
  let directory: string;
  let clock: ManualClock;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'service-account-'));
    clock = new ManualClock();
    await writeFile(join(directory, 'token'), 'first\n');
    await writeFile(join(directory, 'ca.crt'), 'CA');
    await writeFile(join(directory, 'namespace'), 'rstream-system');
  });

  afterEach(async () => await rm(directory, { recursive: true }));

  it('reads address, token, CA and namespace', async () => {
    const credentials = inClusterCredentials({ env, clock, directory });
    expect(credentials.baseUrl).to.equal('https://10.96.0.1:443');
    expect(await credentials.authorization()).to.equal('Bearer first');
    expect(await credentials.tls()).to.deep.equal({ ca: 'CA' });
    expect(await inClusterNamespace(directory)).to.equal('rstream-system');
    expect(isInCluster(env)).to.equal(true);
  });

  it('writes an IPv6 address as URLs want it', () => {
    const { baseUrl } = inClusterCredentials({
      env: { ...env, KUBERNETES_SERVICE_HOST: 'fd00::1' },
      clock,
      directory,
    });
    expect(baseUrl).to.equal('https://[fd00::1]:443');
  });

  it('reads a rotated token after a minute, and at once after a 401', async () => {
    const credentials = inClusterCredentials({ env, clock, directory });
    await credentials.authorization();
    await writeFile(join(directory, 'token'), 'second');
    await clock.advance(59_000);
    expect(await credentials.authorization()).to.equal('Bearer first');
    await clock.advance(1000);
    expect(await credentials.authorization()).to.equal('Bearer second');

    await writeFile(join(directory, 'token'), 'third');
    credentials.invalidate?.();
    expect(await credentials.authorization()).to.equal('Bearer third');
  });

  it('keeps the last token while the file cannot be read', async () => {
    const credentials = inClusterCredentials({ env, clock, directory });
    await credentials.authorization();
    await writeFile(join(directory, 'token'), '');
    await clock.advance(120_000);
    expect(await credentials.authorization()).to.equal('Bearer first');
  });

  it('says what is missing', async () => {
    expect(isInCluster({})).to.equal(false);
    expect(() => inClusterCredentials({ env: {}, clock })).to.throw(/KUBERNETES_SERVICE_HOST/);
    const nowhere = inClusterCredentials({ env, clock, directory: join(directory, 'none') });
    const failure = await nowhere.authorization().catch((error: unknown) => error);
    expect(failure).to.include({ code: 'ERR_KUBE_CREDENTIALS' });
    expect(failure)
      .to.have.property('message')
      .that.contains(join(directory, 'none', 'token'));
  });
});
