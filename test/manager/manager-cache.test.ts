import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { CachedPod } from '../../src/manager/cached-objects.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';

describe('ManagerCache', () => {
  let client: KubeClient;
  let cache: ManagerCache;
  beforeEach(() => {
    const tls = async () => ({});
    const credentials = { baseUrl: 'http://127.0.0.1:1', tls, authorization: async () => undefined };
    client = new KubeClient({ credentials, clock: systemClock });
    cache = new ManagerCache({ client, clock: systemClock, log: silentLogger, namespaces: [] });
  });
  afterEach(() => client.close());

  function see(name: string, namespace: string, phase: string): void {
    const labels = { 'rstream.io/tunnel-uid': 'u1' };
    const metadata = { name, namespace, uid: `${namespace}-${name}`, resourceVersion: '1', labels };
    const pod: object = { metadata, status: { phase } };
    cache.pods.written(pod as CachedPod);
  }

  it('finds the Pods of a tunnel in its own namespace, but none that ended for good and stayed behind', () => {
    see('running', 'shop', 'Running');
    see('pending', 'shop', 'Pending');
    see('evicted', 'shop', 'Failed');
    see('over', 'shop', 'Succeeded');
    see('running', 'elsewhere', 'Running');
    const found = cache.pods.byIndex('tunnel', 'shop/u1').map(({ metadata }) => metadata.name);
    expect(found).to.deep.equal(['running', 'pending']);
  });
});
