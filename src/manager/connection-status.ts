// From what a connection's reconcile found out to its status. Pure. A failure keeps the fields of the last success.

import type { ConditionUpdate } from '../api/conditions.ts';
import type { CachedConnection } from './cached-tunnel.ts';
import type { ConnectionBlockReason } from './connection-outcome.ts';
import { apiUrlOf, regionOf } from './connection-plan.ts';
import type { StatusWish } from './status-writes.ts';

export type ConnectionFinding =
  | {
      readonly engine: string;
      readonly project?: { readonly id?: string | undefined; readonly endpoint?: string | undefined };
    }
  /** The last good engine is kept although the control plane did not confirm it. */
  | { readonly engine: string; readonly stale: string }
  | { readonly reason: ConnectionBlockReason; readonly message: string };

export function connectionStatus(connection: CachedConnection, finding: ConnectionFinding): StatusWish {
  const observedGeneration = connection.metadata.generation ?? 0;
  const condition: ConditionUpdate = { type: 'Ready', observedGeneration, ...verdict(finding) };
  return { observedGeneration, conditions: [condition], fields: fieldsOf(connection, finding) };
}

function verdict(finding: ConnectionFinding): Pick<ConditionUpdate, 'status' | 'reason' | 'message'> {
  if ('reason' in finding) return { status: 'False', reason: finding.reason, message: finding.message };
  if ('stale' in finding) {
    const message = `going on with engine ${finding.engine}, found earlier: ${finding.stale}`;
    return { status: 'True', reason: 'ResolutionStale', message };
  }
  return { status: 'True', reason: 'Ready', message: `the engine is ${finding.engine}` };
}

function fieldsOf({ spec, status }: CachedConnection, finding: ConnectionFinding): StatusWish['fields'] {
  if (spec.engine) return { engine: 'engine' in finding ? finding.engine : status?.engine };
  if ('engine' in finding && !('stale' in finding)) {
    return {
      apiURL: apiUrlOf(spec),
      projectID: finding.project?.id ?? spec.projectID,
      projectEndpoint: finding.project?.endpoint ?? spec.projectEndpoint,
      region: regionOf(spec),
      engine: finding.engine,
    };
  }
  const { apiURL, projectID, projectEndpoint, region, engine } = status ?? {};
  return { apiURL, projectID, projectEndpoint, region, engine };
}
