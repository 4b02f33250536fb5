// `rstream-manager take-over-crds`: makes CRDs that came without Helm a Helm release's own, and as new as this release.
// Every field moves to Helm's field manager, so that Helm may change and remove any of them at its next upgrade.

import { Command } from 'commander';
import { crdManifests } from '../../charts-ts/crd.ts';
import type { Logger } from '../common/logging.ts';
import { parseCommand } from '../common/parse-command.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ManagedFieldsEntry } from '../kube/object.ts';
import { customResourceDefinitions } from '../kube/well-known.ts';
import { mergeFields } from './managed-fields.ts';

export const TAKE_OVER_CRDS = 'take-over-crds';

const FIELD_MANAGER = 'helm';

/** Which release owns the CRDs from now on. */
export interface Release {
  readonly release: string;
  readonly releaseNamespace: string;
}

export interface TakeOverFlags extends Release {
  readonly kubeconfig?: string;
}

/** Parses argv without the executable and the subcommand's own name. Help and mistakes end the process. */
export function parseTakeOverFlags(argv: readonly string[]): TakeOverFlags {
  const command = new Command(`rstream-manager ${TAKE_OVER_CRDS}`)
    .description('Makes CRDs that came without Helm part of a Helm release.')
    .requiredOption('--release <name>', 'name of the release')
    .requiredOption('--release-namespace <namespace>', 'namespace of the release')
    .option('--kubeconfig <file>', 'kubeconfig to use; absent: the credentials of the Pod');
  return parseCommand<TakeOverFlags>(command, argv);
}

/** Idempotent: taking over what is the release's already changes nothing but an old schema. */
export async function takeOverCrds(
  client: KubeClient,
  { release, releaseNamespace }: Release,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const manifests = crdManifests({
    labels: { 'app.kubernetes.io/managed-by': 'Helm' },
    annotations: {
      'helm.sh/resource-policy': 'keep',
      'meta.helm.sh/release-name': release,
      'meta.helm.sh/release-namespace': releaseNamespace,
    },
  });

  for (const manifest of manifests) {
    const { name } = manifest.metadata;
    await moveFields(client, name, signal);
    await client.apply(customResourceDefinitions, manifest, { fieldManager: FIELD_MANAGER, signal });
    log.info({ name, release, releaseNamespace }, 'took over a CRD');
  }
}

/** One patch that tests the resourceVersion it was read at, so that no write in between is lost. */
async function moveFields(client: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  const live = await client.get(customResourceDefinitions, { name }, { signal });
  const { managedFields = [], resourceVersion } = live?.metadata ?? {};
  const ofStatus = managedFields.filter(({ subresource }) => subresource === 'status');
  const others = managedFields.filter((entry) => !ofStatus.includes(entry));
  const [first] = others;
  if (!first) return;

  const moved: ManagedFieldsEntry = {
    ...first,
    manager: FIELD_MANAGER,
    operation: 'Apply',
    fieldsV1: mergeFields(others),
  };
  const operations = [
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'replace', path: '/metadata/managedFields', value: [moved, ...ofStatus] },
  ] as const;
  await client.jsonPatch(customResourceDefinitions, { name }, operations, {
    fieldManager: FIELD_MANAGER,
    signal,
  });
}
