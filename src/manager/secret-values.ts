// Secret values, read by name at the moment they are needed and kept nowhere. What is remembered of them is a digest.

import type { KubeClient } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import type { ObjectRef } from '../kube/object.ts';
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
): Promise<
  { readonly values: SecretValues } | (Blocked<'SecretMissing'> & { readonly forbidden?: boolean })
> {
  const names = [...new Set(uses.map(({ name }) => name))];
  const found = await Promise.all(
    names.map(async (name) => [name, await readSecret(client, { namespace, name }, signal)] as const),
  );
  const byName = new Map(found);
  const values = new Map<string, string>();

  for (const { field, name, key } of uses) {
    const secret = byName.get(name);
    if (secret === 'forbidden') {
      const message = `the operator may not read Secret "${name}" (${field}); allow it to get Secrets in this namespace`;
      return { ...blocked('SecretMissing', message), forbidden: true };
    }
    const data = secret?.data;
    if (secret === undefined) {
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

async function readSecret(client: KubeClient, ref: ObjectRef, signal: AbortSignal) {
  try {
    return await client.get(secrets, ref, { signal });
  } catch (error) {
    if (isForbidden(error)) return 'forbidden';
    throw error;
  }
}

function decode(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('latin1');
}
