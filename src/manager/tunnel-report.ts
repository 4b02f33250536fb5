// Says on a tunnel what a reconcile found out: its status when that differs, and an Event for each change that deserves one.

import { findCondition } from '../api/conditions.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { type Announced, announced } from './brief-rollout.ts';
import type { CachedTunnel } from './cached-tunnel.ts';
import { writeStatus } from './status-writer.ts';
import { type StatusWish, tunnelContract } from './status-writes.ts';
import { type EventToSend, tunnelEvents } from './tunnel-events.ts';
import { agentReports, type TunnelMemory } from './tunnel-memory.ts';
import { tunnels } from './watched-resources.ts';

export interface TunnelReportOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly written: (tunnel: CachedTunnel) => void;
  readonly emit: (about: CachedTunnel, event: EventToSend) => void;
}

export interface TunnelReport {
  readonly tunnel: CachedTunnel;
  /** Everything there is to say. */
  readonly found: StatusWish;
  readonly memory: TunnelMemory;
}

export interface Reported {
  /** As it is now. */
  readonly tunnel: CachedTunnel;
  /** When to look again at something that was left out. */
  readonly announceInMs: number | undefined;
}

export async function reportTunnel(
  options: TunnelReportOptions,
  report: TunnelReport,
  signal: AbortSignal,
): Promise<Reported> {
  const { client, clock, written, emit } = options;
  const { tunnel, memory } = report;
  const { wish, againInMs: announceInMs } = worthSaying(report, clock);
  const write = { client, clock, resource: tunnels, contract: tunnelContract, subject: tunnel, wish, signal };
  const result = await writeStatus(write);

  if ('refused' in result) {
    if (memory.refusal !== result.refused)
      emit(tunnel, { type: 'Warning', reason: 'InvalidSpec', message: result.refused });
    memory.refusal = result.refused;
    return { tunnel, announceInMs };
  }
  memory.refusal = undefined;
  for (const event of eventsOf(tunnel, wish, memory)) emit(tunnel, event);
  if (!('written' in result)) return { tunnel, announceInMs };
  written(result.written);
  return { tunnel: result.written, announceInMs };
}

function worthSaying({ tunnel, found, memory }: TunnelReport, clock: Clock): Announced {
  const now = clock.now();
  const isRolling = findCondition(found.conditions, 'Reconciling') !== undefined;
  memory.rollingSince = isRolling ? (memory.rollingSince ?? now) : undefined;
  return announced(tunnel, found, now - (memory.rollingSince ?? now), clock.date());
}

/** Changes of what the manager says since the status was written, and of what agents say since it was last seen. */
function eventsOf(tunnel: CachedTunnel, wish: StatusWish, memory: TunnelMemory): readonly EventToSend[] {
  const live = tunnel.status?.conditions ?? [];
  const reports = agentReports(live);
  const isNew = !live.some(({ type }) => type === 'Ready');
  const knownReports = memory.reports ?? (isNew ? [] : reports);
  memory.reports = reports.map(({ type, status, reason }) => ({ type, status, reason }));
  const before = [...live.filter((condition) => !reports.includes(condition)), ...knownReports];
  return tunnelEvents(before, [...wish.conditions, ...reports]);
}
