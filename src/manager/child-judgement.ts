// Decides what to do with one child: nothing, apply it, adopt it first, wait for its end, or leave it alone because it is
// somebody else's. Pure.

import { createHash } from 'node:crypto';
import type { KubeManifest } from '../../charts-ts/agent-props.ts';
import { APPLIED_HASH_ANNOTATION, type CachedChild } from './cached-objects.ts';
import { ownsEveryField } from './owned-fields.ts';

export type ChildVerdict = 'keep' | 'apply' | 'adopt' | 'wait' | 'foreign';

/** The manifest as it is applied: it carries a hash over itself. */
export function withAppliedHash(manifest: KubeManifest): KubeManifest {
  const hash = createHash('sha256').update(JSON.stringify(manifest)).digest('hex').slice(0, 32);
  const annotations = { ...manifest.metadata.annotations, [APPLIED_HASH_ANNOTATION]: hash };
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

/** `wanted` comes from withAppliedHash; `live` is absent when the API server has no such object. */
export function judgeChild(
  wanted: KubeManifest,
  live: CachedChild | undefined,
  tunnelUid: string,
): ChildVerdict {
  if (live === undefined) return 'apply';
  if (!belongsTo(live, tunnelUid)) return 'foreign';
  if (live.metadata.deletionTimestamp !== undefined) return 'wait';
  if (live.legacy) return 'adopt';

  const isSame = live.appliedHash === wanted.metadata.annotations?.[APPLIED_HASH_ANNOTATION];
  return isSame && ownsEveryField(wanted, live.ownedFields, live.controllerUid) ? 'keep' : 'apply';
}

/** Whether the configuration in a ConfigMap is still the one that we applied: whoever edits it takes the field over. */
export function wroteConfig({ ownedFields }: CachedChild): boolean {
  return ownedFields?.includes('"f:config.yaml"') === true;
}

/** Ours by owner reference, or, when somebody removed that, by what we applied to it. */
export function belongsTo(live: CachedChild, tunnelUid: string): boolean {
  return live.controllerUid === undefined ? live.ownedFields !== undefined : live.controllerUid === tunnelUid;
}
