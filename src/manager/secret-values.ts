// Secret values, read by name at the moment they are needed and kept nowhere. What is remembered of them is a digest.

import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/well-known.ts';
import { type Blocked, blocked } from './blocked.ts';

export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}

/** One Secret key a connection refers to, and the field that does. */
export interface SecretUse extends SecretKeyRef {
  /** Like `spec.tokenSecretRef`. */
  readonly field: string;
  /** Whether the agent's Pod refers to it, so that a new value must roll the agents. */
  readonly isAgents: boolean;
}

/** Values by field. */
export type SecretValues = ReadonlyMap<string, string>;

/** Reads each Secret once. A missing or empty value blocks with a sentence that names Secret, key and field. */
export async function readSecretValues(
  client: KubeClient,
  namespace: string,
  uses: readonly SecretUse[],
  signal: AbortSignal,
): Promise<{ readonly values: SecretValues } | Blocked<'SecretMissing'>> {
  const names = [...new Set(uses.map(({ name }) => name))];
  const found = await Promise.all(
    names.map(async (name) => [name, await client.get(secrets, { namespace, name }, { signal })] as const),
  );
  const byName = new Map(found);
  const values = new Map<string, string>();

  for (const { field, name, key } of uses) {
    const data = byName.get(name)?.data;
    if (byName.get(name) === undefined) {
      return blocked(
        'SecretMissing',
        `Secret "${name}" (${field}) does not exist in this namespace; create it`,
      );
    }
    const value = data !== undefined && Object.hasOwn(data, key) ? decode(data[key]) : undefined;
    if (value === undefined) {
      return blocked('SecretMissing', `Secret "${name}" has no key "${key}" (${field}); add it`);
    }
    if (value.trim() === '') {
      return blocked(
        'SecretMissing',
        `key "${key}" of Secret "${name}" (${field}) is empty; give it a value`,
      );
    }
    values.set(field, value);
  }
  return { values };
}

function decode(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('latin1');
}
