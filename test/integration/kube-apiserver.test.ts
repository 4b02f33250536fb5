import { expect } from 'chai';
import { KubeApiserver } from '../support/kube-apiserver.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

describe('the test control plane', function () {
  this.timeout(180_000);

  it('serves requests, keeps its data over a restart of the API server, and runs kubectl', async () => {
    const server = await KubeApiserver.start();
    try {
      const namespace = await server.createNamespace();
      await server.stopApiserver();
      await server.startApiserver();
      expect(await server.kubectl(['get', 'namespace', namespace, '-o', 'name'])).to.equal(
        `namespace/${namespace}\n`,
      );
    } finally {
      await server.stop();
    }
  });

  it('is shared by all tests of a process', async () => {
    expect(await sharedKubeApiserver()).to.equal(await sharedKubeApiserver());
  });

  it('makes ReplicaSets when it has a controller-manager', async () => {
    const server = await KubeApiserver.start({ controllerManager: true, scheduler: true });
    try {
      const namespace = await server.createNamespace();
      await server.kubectl(['-n', namespace, 'create', 'deployment', 'web', '--image=web']);
      await server.kubectl([
        ...['-n', namespace, 'wait', 'deployment/web', '--timeout=60s'],
        '--for=jsonpath={.status.observedGeneration}=1',
      ]);
      expect(await server.kubectl(['-n', namespace, 'get', 'replicaset', '-o', 'name'])).to.contain(
        'replicaset.apps/web-',
      );
    } finally {
      await server.stop();
    }
  });
});
