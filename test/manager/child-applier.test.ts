import { expect } from 'chai';
import { childLabels, childNames } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { json, list, object, status, watch } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { UID } from './fixtures.ts';

const { signal } = new AbortController();
const tunnel = { namespace: 'default', name: 'web', uid: UID };
const { base } = childNames(tunnel.name, UID);

/** The tunnel's Deployment, by name and labels, and whoever controls it. */
function deployment(controller: string | undefined, more: object = {}) {
  const owner = { apiVersion: 'x/v1', kind: 'X', name: 'x', uid: controller, controller: true };
  const metadata = { uid: 'd1', labels: childLabels(tunnel, 'agent'), ...more };
  return object(base, 3, { ...metadata, ...(controller && { ownerReferences: [owner] }) });
}

describe('ChildApplier', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let cache: ManagerCache;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    server.otherwise('watch', watch()).otherwise('delete', status(200, 'Success'));
    client = server.client();
    cache = new ManagerCache({ client, clock: systemClock, log: silentLogger, namespaces: [] });
  });
  afterEach(async () => {
    await cache.stop();
    await server.stop();
  });

  async function applierWith(live: ReturnType<typeof deployment>): Promise<ChildApplier> {
    server.otherwise('list', list(5, [live])).otherwise('get', json(200, live));
    cache.children('Deployment').start();
    await cache.children('Deployment').synced(AbortSignal.timeout(10_000));
    return new ChildApplier({ client, children: (kind) => cache.children(kind) });
  }

  it('deletes the tunnel’s own Deployment, and only that very one', async () => {
    const applier = await applierWith(deployment(UID));
    expect(applier.live(tunnel, 'Deployment')?.metadata.uid).to.equal('d1');
    await applier.remove(tunnel, ['Deployment'], signal);

    expect(server.seen('delete').map(({ path }) => path.split('/').at(-1))).to.deep.equal([base]);
    expect(server.seen('delete')[0]?.body).to.have.deep.property('preconditions', { uid: 'd1' });
  });

  it('does not delete it a second time', async () => {
    const dying = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['example.com/held'] };
    const applier = await applierWith(deployment(UID, dying));
    await applier.remove(tunnel, ['Deployment'], signal);
    expect(server.seen('delete')).to.deep.equal([]);
  });

  for (const [whose, live] of [
    ['another', deployment('another')],
    ['nobody', deployment(undefined)],
  ] as const) {
    it(`neither takes, deletes nor changes an object of its child's name that belongs to ${whose}`, async () => {
      const applier = await applierWith(live);
      const metadata = { name: base, namespace: 'default' };
      const manifest = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: {} };

      expect(applier.live(tunnel, 'Deployment')).to.equal(undefined);
      await applier.remove(tunnel, ['Deployment'], signal);
      await applier.reclaim(tunnel, 'Deployment', signal);
      expect(await applier.apply(tunnel, [manifest], false, signal)).to.equal(
        `Deployment "${base}" exists and belongs to something else; delete it so that the operator can create its own`,
      );
      expect([...server.seen('delete'), ...server.seen('patch')]).to.deep.equal([]);
    });

    it(`gives no labels to an object without any that belongs to ${whose}`, async () => {
      const applier = await applierWith(deployment('another', { name: 'x' }));
      server.otherwise('get', json(200, { ...live, metadata: { ...live.metadata, labels: {} } }));
      await applier.reclaim(tunnel, 'Deployment', signal);
      expect(server.seen('get')).to.have.length(1);
      expect(server.seen('patch')).to.deep.equal([]);
    });
  }

  describe('applying what the cache does not know', () => {
    const manifest = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: base, namespace: 'default' },
    };
    /** The verbs, and of applies whether they are for new objects only. */
    const sent = () =>
      server.requests
        .filter(({ path }) => path.includes('/deployments/'))
        .map(({ method, body }) => {
          const isForNew = JSON.stringify(body ?? {}).includes('"resourceVersion":"1"');
          return isForNew ? `${method} of new` : method;
        });
    const applier = () => new ChildApplier({ client, children: (kind) => cache.children(kind) });
    /** Answers to a creation, and to an apply over what is there. */
    const answers = (created: Answer, applied: Answer = created) => {
      server.otherwise('patch', (response, request) => {
        const isForNew = JSON.stringify(request.body).includes('"resourceVersion":"1"');
        (isForNew ? created : applied)(response, request);
      });
    };

    it('creates it without looking, and knows it from then on', async () => {
      answers(json(201, deployment(UID)));
      expect(await applier().apply(tunnel, [manifest], false, signal)).to.equal(undefined);
      expect(sent()).to.deep.equal(['PATCH of new']);
      expect(applier().live(tunnel, 'Deployment')?.metadata.uid).to.equal('d1');
    });

    it('looks when there is one after all, and applies over it', async () => {
      answers(status(409, 'Conflict'), json(200, deployment(UID)));
      server.otherwise('get', json(200, deployment(UID)));
      expect(await applier().apply(tunnel, [manifest], false, signal)).to.equal(undefined);
      expect(sent()).to.deep.equal(['PATCH of new', 'GET', 'PATCH']);
    });

    it('looks first where there was one', async () => {
      answers(json(200, deployment(UID)));
      server.otherwise('get', json(200, deployment(UID)));
      expect(await applier().apply(tunnel, [manifest], true, signal)).to.equal(undefined);
      expect(sent()).to.deep.equal(['GET', 'PATCH']);
    });

    it('does not look for what the cache knows', async () => {
      const known = await applierWith(deployment(UID));
      answers(json(200, deployment(UID)));
      for (const wereThere of [false, true]) await known.apply(tunnel, [manifest], wereThere, signal);
      await known.reclaim(tunnel, 'Deployment', signal);
      expect(sent()).to.deep.equal(['PATCH', 'PATCH']);
    });

    for (const code of [400, 403, 404, 413, 422]) {
      it(`takes ${code} for a refusal, in the API server’s words`, async () => {
        answers(status(code, 'Refused', { message: 'no' }));
        expect(await applier().apply(tunnel, [manifest], false, signal)).to.equal(
          `Deployment "${base}" was refused: no`,
        );
      });
    }

    for (const code of [401, 409, 429, 500, 503]) {
      it(`fails with ${code}, to be tried again`, async () => {
        answers(status(code, 'Failed'));
        server.otherwise('get', status(404, 'NotFound'));
        const failed = await applier()
          .apply(tunnel, [manifest], code === 409, signal)
          .catch((error: unknown) => error);
        expect(failed).to.have.property('status', code);
        expect(sent()).to.deep.equal(code === 409 ? ['GET', 'PATCH'] : ['PATCH of new']);
      });
    }

    it('deletes the kinds that the tunnel does not have any more, and no other', async () => {
      const known = await applierWith(deployment(UID));
      answers(json(200, deployment(UID)));
      await known.apply(tunnel, [manifest], false, signal);
      await known.removeAllBut(tunnel, ['ConfigMap', 'Deployment'], signal);
      expect(server.seen('delete')).to.deep.equal([]);
      await known.removeAllBut(tunnel, ['ConfigMap'], signal);
      expect(server.seen('delete').map(({ path }) => path.split('/').at(-1))).to.deep.equal([base]);
    });
  });
});
