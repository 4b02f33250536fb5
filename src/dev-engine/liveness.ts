// What the engine answers to a client that offers heartbeats: the same interval, and a timeout of three of them.

import type { ControlChannelLiveness } from '../../generated/protobuf/rstream_pb.js';

export interface Liveness {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
}

const minTimeoutMs = 15_000;
const maxTimeoutMs = 900_000;

/** Undefined declines: the client then works in legacy mode. `fault` with an interval overrides everything. */
export function negotiateLiveness(
  offered: ControlChannelLiveness | undefined,
  fault: { readonly intervalMs: number; readonly timeoutMs: number },
): Liveness | undefined {
  if (fault.intervalMs > 0) {
    return { heartbeatIntervalMs: fault.intervalMs, heartbeatTimeoutMs: fault.timeoutMs };
  }
  const interval = offered?.heartbeatIntervalMs ?? 0;
  if (interval < 1000 || interval > 300_000) return undefined;
  const timeout = Math.min(maxTimeoutMs, Math.max(3 * interval, minTimeoutMs));
  return { heartbeatIntervalMs: interval, heartbeatTimeoutMs: timeout };
}
