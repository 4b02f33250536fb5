// Every sample is accepted by a real API server with our CRDs, field names checked strictly.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { API_GROUP } from '../../src/api/group.ts';
import { installCrds } from '../support/crds.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { installReferenceGrants } from '../support/reference-grants.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SAMPLES = readdirSync(join(ROOT, 'samples')).filter((file) => file.endsWith('.yaml'));

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function manifestsOf(sample: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(ROOT, 'samples', sample), 'utf8')).map((document) =>
    document.toJS(),
  );
}

describe('samples', function () {
  this.timeout(120_000);

  let kube: KubeApiserver;
  let namespace: string;

  before(async () => {
    kube = await sharedKubeApiserver();
    await installReferenceGrants(kube);
    await installCrds(kube);
    namespace = await kube.createNamespace('samples');
  });

  for (const sample of SAMPLES) {
    it(`${sample} is accepted`, async () => {
      const manifests = manifestsOf(sample);
      for (const { kind, metadata } of manifests) {
        if (kind === 'Namespace') await ensureNamespace(kube, metadata.name);
      }

      const args = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-o', 'name'];
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
      const applied = await kube.kubectl(
        [...args, ...defaultNamespace(manifests, namespace), '-f', '-'],
        input,
      );

      expect(applied.trim().split('\n')).to.have.length(manifests.length);
    });
  }

  it('show both resources', () => {
    const kinds = SAMPLES.flatMap(manifestsOf).filter(({ apiVersion }) => apiVersion.startsWith(API_GROUP));

    expect(new Set(kinds.map(({ kind }) => kind))).to.deep.equal(
      new Set(['RstreamConnection', 'RstreamTunnel']),
    );
  });
});

/** kubectl refuses a namespace of its own beside manifests that name another one. */
function defaultNamespace(manifests: readonly Manifest[], namespace: string): string[] {
  return manifests.some(({ metadata }) => 'namespace' in metadata) ? [] : ['-n', namespace];
}

async function ensureNamespace(kube: KubeApiserver, name: string): Promise<void> {
  const manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  await kube.kubectl(['apply', '-f', '-'], JSON.stringify(manifest));
}
