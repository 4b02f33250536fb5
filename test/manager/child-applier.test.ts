import { expect } from 'chai';
import { childLabels, childNames } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { json, list, object, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
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
});
