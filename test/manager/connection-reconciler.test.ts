import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import type { CachedConnection } from '../../src/manager/cached-tunnel.ts';
import { ConnectionOutcomes } from '../../src/manager/connection-outcome.ts';
import { ConnectionReconciler } from '../../src/manager/connection-reconciler.ts';
import type { ResolveProject } from '../../src/manager/control-plane.ts';
import { ResolutionCache } from '../../src/manager/resolution-cache.ts';
import { json, object, status } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';

const connection: CachedConnection = {
  metadata: { name: 'default', namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '7' },
  spec: { engine: 'p1.edge.example.com', tokenSecretRef: { name: 'credentials', key: 'token' } },
  owners: { foreign: [], updaters: [], applied: false },
};

const { signal } = new AbortController();

describe('ConnectionReconciler', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let outcomes: ConnectionOutcomes;
  /** The reasons of Events. */
  let told: string[];

  beforeEach(async () => {
    told = [];
    server = await ScriptedApiserver.start();
    client = server.client();
    server.otherwise('patch', json(200, connection));
  });
  afterEach(async () => {
    await server.stop();
  });

  const refused: ResolveProject = () => Promise.reject(new Error('no control plane'));
  const secret = json(200, { ...object('credentials', 1), data: { token: 'dA==' } });

  function reconcilerOf(subject: () => CachedConnection, resolve = refused): ConnectionReconciler {
    const clock = systemClock;
    outcomes = new ConnectionOutcomes();
    return new ConnectionReconciler({
      client,
      clock,
      outcomes,
      resolutions: new ResolutionCache({ clock, resolve }),
      allowedEngines: ['*.edge.example.com:443'],
      connection: subject,
      tunnelConfigs: () => [],
      onOutcome: () => undefined,
      written: () => undefined,
      emit: (_about, { reason }) => told.push(reason),
    });
  }

  async function reconcile(answer: Answer, subject = connection, resolve = refused) {
    server.otherwise('get', answer);
    return await reconcilerOf(() => subject, resolve).reconcile('shop/default', signal);
  }

  it('looks again at a Secret it may not read, since nothing tells when it may', async () => {
    expect(await reconcile(status(403, 'Forbidden'))).to.deep.equal({ requeueAfterMs: 30_000 });
    expect(JSON.stringify(server.seen('patch')[0]?.body)).to.include('may not read Secret');
  });

  it('waits for a Secret that is missing: the watch tells when it comes', async () => {
    expect(await reconcile(status(404, 'NotFound'))).to.deep.equal({ requeueAfterMs: undefined });
  });

  it('tells once that the API server refuses its status, and again only what is new', async () => {
    const invalid = (message: string) =>
      json(422, { kind: 'Status', code: 422, reason: 'Invalid', message, details: { kind: 'X' } });
    server.script('patch', ...['long', 'long', 'many'].map(invalid), json(200, connection), invalid('many'));
    server.otherwise('get', secret);
    const reconciler = reconcilerOf(() => connection);
    const afterEach: number[] = [];
    for (let refresh = 0; refresh < 5; refresh += 1) {
      await reconciler.reconcile('shop/default', signal);
      afterEach.push(told.filter((reason) => reason === 'InvalidSpec').length);
    }
    expect(afterEach).to.deep.equal([1, 1, 2, 2, 3]);
  });

  it('leaves it to the watch to tell that it is gone', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    expect(await reconcile(secret)).to.deep.equal({});
  });

  it('tells a change once, also when the answer to its write got lost', async () => {
    let cached = connection;
    const arrived: Answer = (response, { body }) => {
      const { status: said } = body as { readonly status: NonNullable<CachedConnection['status']> };
      cached = { ...connection, status: said };
      response.socket?.destroy();
    };
    server.script('patch', arrived, status(409, 'Conflict'));
    server.otherwise('get', (response, request) =>
      (request.path.includes('/secrets/') ? secret : json(200, cached))(response, request),
    );
    const reconciler = reconcilerOf(() => cached);
    await reconciler.reconcile('shop/default', signal);
    for (let again = 0; again < 2; again += 1) await reconciler.reconcile('shop/default', signal);
    expect(told).to.deep.equal(['Resolved']);
    expect(server.seen('patch')).to.have.length(2);
  });

  it('case 100: refuses a region beside an explicit engine before it asks anybody for anything', async () => {
    let asked = 0;
    const resolve: ResolveProject = async () => {
      asked += 1;
      throw new Error('no control plane');
    };
    const spec = { ...connection.spec, region: 'eu-west-3' };
    await reconcile(secret, { ...connection, spec }, resolve);
    expect(asked).to.equal(0);
    expect(server.requests.map(({ method }) => method)).to.deep.equal(['PATCH']);
    expect(JSON.stringify(server.seen('patch')[0]?.body))
      .to.include('InvalidSpec')
      .and.include('spec.region');
  });

  it('leaves a connection alone that is ending, whoever holds on to it', async () => {
    const metadata = { ...connection.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(await reconcile(secret, { ...connection, metadata })).to.deep.equal({});
    expect(server.requests).to.deep.equal([]);
  });

  describe('that asks a control plane', () => {
    const asking: CachedConnection = {
      ...connection,
      spec: { projectEndpoint: 'p1', tokenSecretRef: { name: 'credentials', key: 'token' } },
    };
    const outcome = () => outcomes.get('shop/default', 'u', 1);

    it('does not use an engine that the administrator does not allow, whoever names it', async () => {
      const project = { endpoint: 'p1', engine: 'p1.evil.example.com:443' };
      await reconcile(secret, asking, async () => ({ project }));
      expect(outcome()).to.have.nested.property('blocked.reason', 'PolicyDenied');
      expect(outcome()).to.have.nested.property('blocked.denied', true);
      expect(JSON.stringify(server.seen('patch')[0]?.body)).to.include('PolicyDenied');
    });

    it('lets only the Secret keys that agents use roll them', async () => {
      const valueSecretRef = { name: 'credentials', key: 'header' };
      const spec = { ...asking.spec, controlPlaneHeaders: [{ name: 'X-A', valueSecretRef }] };
      const project = { endpoint: 'p1', engine: 'p1.edge.example.com:443' };
      const digestOf = async (data: Record<string, string>) => {
        const answer = json(200, { ...object('credentials', 1), data });
        await reconcile(answer, { ...asking, spec }, async () => ({ project }));
        const found = outcome();
        return found !== undefined && 'ready' in found ? found.ready.secretsDigest : undefined;
      };
      const digest = await digestOf({ token: 'dA==', header: 'aA==' });

      expect(digest).to.be.a('string').and.not.equal('');
      expect(await digestOf({ token: 'dA==', header: 'bmV3', unused: 'eA==' })).to.equal(digest);
      expect(await digestOf({ token: 'bmV3', header: 'aA==' })).to.not.equal(digest);
    });

    for (const [reason, denied] of [
      ['PolicyDenied', true],
      ['Unauthorized', false],
      ['ControlPlaneUnavailable', false],
    ] as const) {
      it(`that answers ${reason} ${denied ? 'stops the agents' : 'lets the agents run on'}`, async () => {
        const failure = { reason, code: 'ERR_RSTREAM_API_HTTP', message: 'no' } as const;
        await reconcile(secret, asking, async () => ({ failure }));
        expect(outcome()).to.deep.equal({ blocked: { reason, message: 'no', denied } });
      });
    }
  });
});
