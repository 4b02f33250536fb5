// What people may do with tunnels and connections follows from what they may do in a namespace anyway, as the controller
// that aggregates ClusterRoles makes it.

import { expect } from 'chai';
import { eventually } from '../support/eventually.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';

const resources = ['rstreamtunnels', 'rstreamconnections'];
const reads = ['get', 'list', 'watch'];
const writes = ['create', 'update', 'patch', 'delete'];

describe('people', function () {
  this.timeout(120_000);
  let kube: KubeApiserver;

  before(async () => {
    kube = await KubeApiserver.start({ controllerManager: true });
    await kube.kubectl(['apply', '--server-side', '-f', 'dist/crds.yaml', '-f', 'dist/operator.yaml']);
    for (const role of ['view', 'edit', 'admin']) {
      const subject = `--user=${role}er`;
      await kube.kubectl(['create', 'rolebinding', role, '-n', 'default', `--clusterrole=${role}`, subject]);
    }
  });
  after(() => kube?.stop());

  async function may(
    user: string,
    verb: string,
    resource: string,
    ...more: readonly string[]
  ): Promise<boolean> {
    const kind = `${resource}.tunnels.rstream.io`;
    const question = ['auth', 'can-i', verb, kind, '-n', 'default', '--as', user, ...more];
    return await kube.kubectl(question).then(
      () => true,
      () => false,
    );
  }

  const rights: readonly (readonly [string, readonly string[]])[] = [
    ['view', reads],
    ['edit', [...reads, ...writes]],
    ['admin', [...reads, ...writes]],
  ];
  for (const [role, verbs] of rights) {
    it(`who ${role} a namespace may ${verbs.join(', ')} both resources there`, async () => {
      for (const resource of resources) {
        await eventually(`${role} has been aggregated`, () => may(`${role}er`, 'list', resource));
        const all = [...reads, ...writes].map(async (verb) => [verb, await may(`${role}er`, verb, resource)]);
        const found = (await Promise.all(all)).filter(([, allowed]) => allowed).map(([verb]) => verb);
        expect(found, resource).to.deep.equal(verbs);
      }
    });
  }

  it('read the status and do not write it, whatever else they may edit', async () => {
    for (const resource of resources) {
      const status = async (verb: string) => await may('editer', verb, resource, '--subresource=status');
      expect([await status('get'), await status('patch')], resource).to.deep.equal([true, false]);
    }
  });
});
