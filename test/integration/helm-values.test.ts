// The chart under many values: what each one changes, and that a real API server takes the result.

import { expect } from 'chai';
import { untilEstablished } from '../support/crds.ts';
import { CHART, Helm, type Manifest } from '../support/helm.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { monitoringCrds } from '../support/monitoring-crds.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';
import { HELM_CASES, REFUSED_VALUES } from './helm-cases.ts';

describe('the Helm chart’s values', function () {
  this.timeout(120_000);

  const helm = new Helm();
  let kube: KubeApiserver;

  before(async () => {
    kube = await sharedKubeApiserver();
    const namespaces = ['rstream-system', 'shop', 'blog'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    }));
    await apply([...namespaces, ...monitoringCrds()]);
    await untilEstablished(kube);
  });

  after(() => helm.close());

  async function apply(items: readonly object[], ...flags: string[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const args = ['apply', '--server-side', '--force-conflicts', '--validate=strict', ...flags, '-f', '-'];
    await kube.kubectl(args, list);
  }

  it('pass lint', async () => {
    expect(await helm.run('lint', '--strict', CHART)).to.contain('0 chart(s) failed');
  });

  for (const { title, values, check } of HELM_CASES) {
    it(title, async () => {
      const manifests = await helm.template(values ?? {});

      check((kind) => manifests.filter((manifest: Manifest) => manifest.kind === kind));
      await apply(manifests, '--dry-run=server');
    });
  }

  for (const { title, values, message } of REFUSED_VALUES) {
    it(`refuse ${title}`, async () => {
      const refusal = await helm.template(values).then(
        () => 'accepted',
        (error: unknown) => String(error),
      );
      expect(refusal).to.contain(message);
    });
  }
});
