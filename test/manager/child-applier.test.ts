import { expect } from 'chai';
import { CHILD_LABEL } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { json, list, object, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { UID } from './fixtures.ts';

const { signal } = new AbortController();
const tunnel = { namespace: 'default', name: 'web', uid: UID };

/** A Deployment with the tunnel's label, and whoever controls it. */
function deployment(name: string, controller: string | undefined, more: object = {}) {
  const owner = { apiVersion: 'x/v1', kind: 'X', name: 'x', uid: controller, controller: true };
  return object(name, 3, {
    labels: { [CHILD_LABEL.tunnelUid]: UID },
    ...(controller && { ownerReferences: [owner] }),
    ...more,
  });
}

describe('ChildApplier', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let cache: ManagerCache;
  let applier: ChildApplier;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    server.otherwise('watch', watch());
    server.otherwise('delete', status(200, 'Success'));
    client = new KubeClient({ credentials: server.credentials, clock: systemClock, timeoutMs: 5000 });
    cache = new ManagerCache({ client, clock: systemClock, log: silentLogger, namespaces: [] });
    applier = new ChildApplier({ client, children: (kind) => cache.children(kind) });
    const dying = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['example.com/held'] };
    server.otherwise(
      'list',
      list(5, [
        deployment('ours', UID),
        deployment('dying', UID, dying),
        deployment('theirs', 'another'),
        deployment('nobodys', undefined),
      ]),
    );
    const deployments = cache.children('Deployment');
    deployments.start();
    await deployments.synced(AbortSignal.timeout(10_000));
  });
  afterEach(async () => {
    await cache.stop();
    client.close();
    await server.stop();
  });

  it('deletes what is the tunnel’s own, that very object, and nothing else of its label', async () => {
    await applier.remove(tunnel, ['Deployment'], signal);

    expect(server.seen('delete').map(({ path }) => path.split('/').at(-1))).to.deep.equal(['ours']);
    expect(server.seen('delete')[0]?.body).to.have.deep.property('preconditions', { uid: 'uid-ours' });
  });

  it('takes no object of another for a child', () => {
    expect(applier.live(tunnel, 'Deployment', 'ours')?.metadata.uid).to.equal('uid-ours');
    for (const name of ['theirs', 'nobodys', 'missing']) {
      expect(applier.live(tunnel, 'Deployment', name), name).to.equal(undefined);
    }
  });

  for (const name of ['theirs', 'nobodys', 'unlabelled']) {
    it(`writes nothing onto an object of another: ${name}`, async () => {
      server.otherwise('get', json(200, object('unlabelled', 3)));
      const manifest = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name, namespace: 'default' },
      };
      const refusal = await applier.apply(tunnel, [{ ...manifest, spec: {} }], signal);

      expect(refusal).to.equal(
        `Deployment "${name}" exists and belongs to something else; delete it so that the operator can create its own`,
      );
      expect(server.seen('patch')).to.deep.equal([]);
    });
  }
});
