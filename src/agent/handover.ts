// Who may hold the tunnel: what a refusal of the engine means, and when to ask again. The engine is the lock; the live
// status only tells whether somebody is known to hold it. Pure.

import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';

/** The live status as far as ownership goes. */
export interface LiveOwner {
  readonly tunnelReady: boolean;
  /** Absent counts as another Pod. */
  readonly agentPod: string | undefined;
}

export interface Refusal {
  readonly code: number;
  /** Whether the tunnel asks for something only one can have: a hostname or a port. */
  readonly locked: boolean;
  /** The live status; undefined where there is none to be read. */
  readonly live: LiveOwner | undefined;
  readonly podName: string | undefined;
  /** Whether this process held the tunnel before. */
  readonly heldBefore: boolean;
  /** Since the first refusal in a row. */
  readonly elapsedMs: number;
}

export type Verdict =
  | { readonly kind: 'standby'; readonly owner: string }
  /** A dead owner's name, which the engine will let go of. */
  | { readonly kind: 'waiting' }
  /** `contested`: another agent may hold it, but nobody can tell us. */
  | { readonly kind: 'rejected'; readonly contested: boolean };

const minute = 60_000;

/** Codes that are about the request or the account, never about another owner. */
const neverStandby = new Set<number>([
  ErrorCode.UNAUTHORIZED,
  ErrorCode.PROTOCOL_VERSION_MISSING,
  ErrorCode.PROTOCOL_VERSION_INVALID,
  ErrorCode.PROTOCOL_VERSION_INCOMPATIBLE,
  ErrorCode.FEATURE_NOT_AVAILABLE,
  ErrorCode.CAPACITY_EXHAUSTED,
]);

export function judge(refusal: Refusal): Verdict {
  const { code, locked, live, podName, heldBefore, elapsedMs } = refusal;
  if (neverStandby.has(code)) return { kind: 'rejected', contested: false };
  if (live?.tunnelReady && live.agentPod !== podName) {
    return { kind: 'standby', owner: live.agentPod ?? 'another agent' };
  }
  if (!locked || isPacedByBackoff(code)) return { kind: 'rejected', contested: false };
  const owned = heldBefore || live?.agentPod !== undefined;
  if (owned && elapsedMs < minute) return { kind: 'waiting' };
  return { kind: 'rejected', contested: live === undefined };
}

/** Milliseconds until the next request; undefined = the normal backoff decides. */
export function askAgainMs(refusal: Refusal, verdict: Verdict, random: () => number): number | undefined {
  if (isPacedByBackoff(refusal.code)) return undefined;
  if (verdict.kind === 'rejected' && !verdict.contested) return undefined;
  const first = verdict.kind === 'rejected' ? 500 : 100;
  const base = refusal.elapsedMs < minute ? first : refusal.elapsedMs < 6 * minute ? 2_000 : 10_000;
  return base * (0.5 + random());
}

/** Whether an agent whose tunnel the engine gave to somebody else may ask for it; undefined = nobody can tell. */
export function mayAskAgain(live: LiveOwner | undefined, podName: string | undefined): boolean | undefined {
  if (!live) return undefined;
  return !live.tunnelReady || (live.agentPod !== undefined && live.agentPod === podName);
}

function isPacedByBackoff(code: number): boolean {
  return code === ErrorCode.SERVICE_UNAVAILABLE || code === ErrorCode.CAPACITY_EXHAUSTED;
}
