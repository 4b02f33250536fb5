// What a Lease says and what we would write into it: pure functions over its spec, as client-go writes it, so that other
// implementations under the same Lease agree about who leads.

import type { Lease, LeaseSpec } from './well-known.ts';

/** Who holds the lease; undefined when it was released. */
export function holderOf(lease: Lease): string | undefined {
  return lease.spec?.holderIdentity || undefined;
}

/** How long the holder asked to be believed without a renewal. */
export function durationMsOf(lease: Lease, otherwiseMs: number): number {
  const seconds = lease.spec?.leaseDurationSeconds;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : otherwiseMs;
}

/** The spec that makes `identity` the holder: acquired anew, or renewed when it holds it already. */
export function heldSpec(
  previous: Lease | undefined,
  identity: string,
  durationMs: number,
  now: Date,
): LeaseSpec {
  const renewing = previous !== undefined && holderOf(previous) === identity;
  const transitions = previous?.spec?.leaseTransitions ?? 0;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.max(1, Math.ceil(durationMs / 1000)),
    acquireTime: (renewing ? previous.spec?.acquireTime : undefined) ?? microTime(now),
    renewTime: microTime(now),
    leaseTransitions: previous === undefined || renewing ? transitions : transitions + 1,
  };
}

/** The spec of a lease nobody holds: the next one need not wait. */
export function releasedSpec(lease: Lease, now: Date): LeaseSpec {
  return {
    holderIdentity: '',
    leaseDurationSeconds: 1,
    acquireTime: microTime(now),
    renewTime: microTime(now),
    leaseTransitions: lease.spec?.leaseTransitions ?? 0,
  };
}

/** metav1.MicroTime. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
