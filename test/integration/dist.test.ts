// dist/ on a real API server, as a user installs it: both ways of applying, twice, and Pods that Pod Security admits.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { renderTunnelAgent } from '../../charts-ts/agent.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';
import { KubeApiserver } from '../support/kube-apiserver.ts';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const FILES = ['-f', join(DIST, 'crds.yaml'), '-f', join(DIST, 'operator.yaml')];

// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
type Manifest = any;

function podOf(deployment: Manifest): Manifest {
  const { metadata, spec } = deployment.spec.template;
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'try' }, spec };
}

describe('dist/ on a real API server', function () {
  this.timeout(180_000);

  for (const mode of ['client-side', 'server-side'] as const) {
    describe(`applied ${mode}`, () => {
      let kube: KubeApiserver;
      const apply = () => {
        const flags = mode === 'server-side' ? ['--server-side'] : [];
        return kube.kubectl(['apply', ...flags, '--validate=strict', ...FILES]);
      };
      const columns = (kinds: string, last: string) =>
        kube.kubectl(['get', kinds, '-A', '-o', `custom-columns=:.kind,:.metadata.name,:.metadata.${last}`]);
      // The API server itself writes the status of CRDs, whose resourceVersion therefore says nothing of us.
      const versions = async () => [
        await columns('crd', 'generation'),
        await columns(KINDS, 'resourceVersion'),
      ];

      before(async () => {
        kube = await KubeApiserver.start();
      });
      after(() => kube.stop());

      it('installs everything', async () => {
        const lines = (await apply()).trim().split('\n');
        const expected = readAll('crds.yaml').length + readAll('operator.yaml').length;

        expect(lines).to.have.length(expected);
      });

      it('changes nothing the second time', async () => {
        const before = await versions();
        const lines = (await apply()).trim().split('\n');

        expect(await versions()).to.deep.equal(before);
        if (mode === 'client-side') expect(lines.every((line) => line.endsWith(' unchanged'))).to.equal(true);
      });

      it('runs Pods that Pod Security restricted admits', async () => {
        const manager = readAll('operator.yaml').find(({ kind }) => kind === 'Deployment');
        const agent = renderTunnelAgent(AGENT_PROPS).find(({ kind }) => kind === 'Deployment');

        for (const deployment of [manager, agent]) {
          const pod = podOf(deployment);
          const account = { kind: 'ServiceAccount', metadata: { name: pod.spec.serviceAccountName } };
          await applyTo(kube, { apiVersion: 'v1', ...account });
          await applyTo(kube, pod, '--dry-run=server');
        }
      });
    });
  }
});

const KINDS = 'namespace,deployment,serviceaccount,clusterrole,clusterrolebinding,role,rolebinding';

function readAll(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(DIST, file), 'utf8')).map((document) => document.toJS());
}

async function applyTo(kube: KubeApiserver, manifest: object, ...flags: string[]): Promise<void> {
  const args = ['apply', '--server-side', '--force-conflicts', '--validate=strict', '-n', 'rstream-system'];
  await kube.kubectl([...args, ...flags, '-f', '-'], JSON.stringify(manifest));
}
