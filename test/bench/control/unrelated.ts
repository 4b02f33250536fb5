// Objects that are none of the manager's business: Secrets and ConfigMaps of 10 KiB, Services and Deployments, so many of
// each. The Deployments have no replicas, so that what is measured is the manager and not the scheduler.

import type { KubeClient } from '../../../src/kube/client.ts';
import type { Resource } from '../../../src/kube/resource.ts';
import { configMaps, deployments, secrets, services } from '../../../src/kube/well-known.ts';
import type { Loose } from '../../support/rstream-resources.ts';
import { forEachAtOnce } from './usage.ts';

const namespace = 'unrelated';
const atOnce = 24;
const text = 'x'.repeat(10 * 1024);
const labels = { app: 'unrelated' };

const kinds: readonly (readonly [Resource, object])[] = [
  [secrets, { stringData: { value: text } }],
  [configMaps, { data: { value: text } }],
  [services, { spec: { ports: [{ port: 80 }], selector: labels } }],
  [
    deployments,
    {
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }] } },
      },
    },
  ],
];

/** Creates `each` objects of each kind in a namespace of their own, which exists. */
export async function addUnrelated(client: KubeClient, each: number): Promise<void> {
  await forEach(each, async (kind, fields, name) => {
    const object: Loose = { metadata: { namespace, name, labels }, ...fields };
    await client.create(kind, object, { fieldManager: 'bench' });
  });
}

/** Changes each of them once. */
export async function churnUnrelated(client: KubeClient, each: number, round: number): Promise<void> {
  await forEach(each, async (kind, _, name) => {
    const patch = { metadata: { labels: { round: String(round) } } };
    await client.mergePatch(kind, { namespace, name }, patch, { fieldManager: 'bench' });
  });
}

async function forEach(
  each: number,
  work: (kind: Resource, fields: object, name: string) => Promise<void>,
): Promise<void> {
  const all = kinds.flatMap(([kind, fields]) =>
    Array.from({ length: each }, (_, index) => ({ kind, fields, name: `unrelated-${index}` })),
  );
  await forEachAtOnce(all, atOnce, async ({ kind, fields, name }) => await work(kind, fields, name));
}
