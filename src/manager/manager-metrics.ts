// The manager's own metrics, beside those of the controller runtime. Labels are condition types, statuses and HTTP codes:
// bounded, and never a name of anybody's object.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { Condition } from '../api/conditions.ts';

interface Conditioned {
  readonly status?: { readonly conditions?: readonly Condition[] | undefined } | undefined;
}

export interface ManagerMetricsOptions {
  readonly registry: Registry;
  readonly tunnels: () => readonly Conditioned[];
  readonly connections: () => readonly Conditioned[];
}

/** Registers the gauges, which are counted when they are asked for. */
export function registerResourceMetrics({ registry, tunnels, connections }: ManagerMetricsOptions): void {
  gauge(registry, 'rstream_tunnels', 'RstreamTunnels by condition and its status', tunnels);
  gauge(registry, 'rstream_connections', 'RstreamConnections by condition and its status', connections);
}

/** Counts the answers of control planes by HTTP status; `error` when there was none. */
export function controlPlaneCounter(registry: Registry): (code: string) => void {
  const counter = new Counter({
    name: 'rstream_control_plane_requests_total',
    help: 'Requests to control planes by HTTP status code, or error',
    labelNames: ['code'],
    registers: [registry],
  });
  return (code) => counter.inc({ code });
}

function gauge(registry: Registry, name: string, help: string, list: () => readonly Conditioned[]): void {
  new Gauge({
    name,
    help,
    labelNames: ['condition', 'status'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { status } of list()) {
        for (const condition of status?.conditions ?? []) {
          this.inc({ condition: condition.type, status: condition.status });
        }
      }
    },
  });
}
