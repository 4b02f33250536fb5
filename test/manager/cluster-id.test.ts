import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { findClusterId } from '../../src/manager/cluster-id.ts';
import { json, object, reset, status } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('the cluster’s identity', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
  });
  afterEach(async () => {
    await server.stop();
  });

  const find = async (...watchNamespaces: string[]) =>
    await findClusterId(
      { client, watchNamespaces, clock: systemClock, log: silentLogger },
      new AbortController().signal,
    );
  const namespace = json(200, object('kube-system', 1, { uid: 'the-uid' }));

  it('is the UID of kube-system', async () => {
    server.script('list', namespace);
    server.script('get', namespace);
    expect(await find('shop')).to.equal('the-uid');
    expect(server.requests.map(({ path }) => path)).to.deep.equal(['/api/v1/namespaces/kube-system']);
  });

  it('is that of the first watched namespace where kube-system may not be read', async () => {
    server.script('get', status(403, 'Forbidden'), namespace);
    expect(await find('shop', 'crm')).to.equal('the-uid');
    expect(server.requests.at(-1)?.path).to.equal('/api/v1/namespaces/shop');
  });

  it('waits for an API server that is down', async () => {
    server.script('get', reset, reset, status(503, 'ServiceUnavailable'), namespace);
    expect(await find()).to.equal('the-uid');
  });

  it('cannot be found where neither may be read', async () => {
    server.otherwise('get', status(403, 'Forbidden'));
    const failure = await find('shop').catch((error: unknown) => error);
    expect(failure).to.include({ code: 'ERR_MANAGER_INVALID_FLAG' });
  });
});
