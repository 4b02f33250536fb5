import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { CachedConnection } from '../../src/manager/cached-tunnel.ts';
import { ConnectionOutcomes } from '../../src/manager/connection-outcome.ts';
import { ConnectionReconciler } from '../../src/manager/connection-reconciler.ts';
import { ResolutionCache } from '../../src/manager/resolution-cache.ts';
import { json, status } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';

const connection: CachedConnection = {
  metadata: { name: 'default', namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '7' },
  spec: { engine: 'p1.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'token' } },
  owners: { foreign: [], updaters: [], applied: false },
};

describe('ConnectionReconciler', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = new KubeClient({ credentials: server.credentials, clock: systemClock, timeoutMs: 5000 });
    server.otherwise('patch', json(200, connection));
  });
  afterEach(async () => {
    client.close();
    await server.stop();
  });

  async function reconcile(secret: Answer) {
    server.otherwise('get', secret);
    const clock = systemClock;
    const reconciler = new ConnectionReconciler({
      client,
      clock,
      outcomes: new ConnectionOutcomes(),
      resolutions: new ResolutionCache({
        clock,
        resolve: () => Promise.reject(new Error('no control plane')),
      }),
      allowedEngines: [],
      connection: () => connection,
      tunnelConfigs: () => [],
      onOutcome: () => undefined,
      written: () => undefined,
      emit: () => undefined,
    });
    return await reconciler.reconcile('shop/default', new AbortController().signal);
  }

  it('looks again at a Secret it may not read, since nothing tells when it may', async () => {
    expect(await reconcile(status(403, 'Forbidden'))).to.deep.equal({ requeueAfterMs: 30_000 });
    expect(JSON.stringify(server.seen('patch')[0]?.body)).to.include('may not read Secret');
  });

  it('waits for a Secret that is missing: the watch tells when it comes', async () => {
    expect(await reconcile(status(404, 'NotFound'))).to.deep.equal({ requeueAfterMs: undefined });
  });
});
