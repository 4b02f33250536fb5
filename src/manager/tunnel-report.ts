// Says on a tunnel what a reconcile found out: its status when that differs, and an Event for each change that deserves one.

import { findCondition } from '../api/conditions.ts';
import type { Clock } from '../common/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconciled } from '../kube/controller.ts';
import { type Announced, announced } from './brief-rollout.ts';
import type { CachedTunnel } from './cached-tunnel.ts';
import { writeStatus } from './status-writer.ts';
import { type StatusWish, tunnelContract } from './status-writes.ts';
import { type EventToSend, type KnownCondition, tunnelEvents } from './tunnel-events.ts';
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

/** When to judge again a tunnel that is another by now, instead of what was said. */
export async function reportTunnel(
  options: TunnelReportOptions,
  report: TunnelReport,
  signal: AbortSignal,
): Promise<Reported | Reconciled> {
  const { client, clock, written, emit } = options;
  const { tunnel, memory } = report;
  memory.told ??= toldSoFar(tunnel);
  const { wish, againInMs: announceInMs } = worthSaying(report, clock);
  const write = { client, clock, resource: tunnels, contract: tunnelContract, subject: tunnel, wish, signal };
  const result = await writeStatus(write);

  if ('latest' in result) {
    if (result.latest === undefined) return {};
    written(result.latest);
    return { requeue: true };
  }
  if ('refused' in result) {
    if (memory.refusal !== result.refused)
      emit(tunnel, { type: 'Warning', reason: 'InvalidSpec', message: result.refused });
    memory.refusal = result.refused;
    return { tunnel, announceInMs };
  }
  memory.refusal = undefined;
  for (const event of news(tunnel, wish, memory)) emit(tunnel, event);
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

/** A process that has just begun takes it that what it finds was told; of a tunnel without a status nothing was. */
function toldSoFar({ status }: CachedTunnel): readonly KnownCondition[] {
  const live = status?.conditions ?? [];
  return live.some(({ type }) => type === 'Ready') ? known(live) : [];
}

/** Compared with what was told last, not with the status: a write whose answer got lost must not swallow an Event. */
function news(tunnel: CachedTunnel, wish: StatusWish, memory: TunnelMemory): readonly EventToSend[] {
  const after = [...wish.conditions, ...agentReports(tunnel.status?.conditions)];
  const events = tunnelEvents(memory.told, after);
  memory.told = known(after);
  return events;
}

function known(conditions: readonly KnownCondition[]): readonly KnownCondition[] {
  return conditions.map(({ type, status, reason }) => ({ type, status, reason }));
}
