import { expect } from 'chai';
import { Registry } from 'prom-client';
import { dashboardJson } from '../../charts-ts/dashboard.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { systemClock } from '../../src/common/clock.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { registerResourceMetrics } from '../../src/manager/manager-metrics.ts';

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly gridPos: { readonly x: number; readonly y: number };
}

const panels: readonly Panel[] = JSON.parse(dashboardJson()).panels;
const WORDS = new Set(['sum', 'by', 'rate', 'histogram_quantile', 'le', 'to', 'cause', 'name', 'm']);
const LABELS = new Set([
  'condition',
  'status',
  'controller',
  'result',
  'namespace',
  'rstream_io_tunnel_name',
]);

function metricsOf(query: string): string[] {
  const names = query.match(/[a-z_]+/g) ?? [];
  return names
    .filter((name) => !WORDS.has(name) && !LABELS.has(name))
    .map((name) => name.replace(/_bucket$/, ''));
}

describe('the dashboard', () => {
  it('asks for metrics that managers and agents really have', () => {
    const registry = new Registry();
    new KubeMetrics(registry);
    registerResourceMetrics({ registry, tunnels: () => [], connections: () => [] });
    const agent = new AgentMetrics(systemClock).registry;
    const served = [registry, agent].flatMap((one) => one.getMetricsAsArray().map(({ name }) => name));

    for (const { title, targets } of panels) {
      const asked = targets.flatMap(({ expr }) => metricsOf(expr));
      expect(asked, title).to.have.length(1);
      expect(served, title).to.include.members(asked);
    }
  });

  it('names series by labels that its queries keep', () => {
    for (const { title, targets } of panels) {
      for (const { expr, legendFormat } of targets) {
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        const [, kept] = /by \(([^)]*)\)/.exec(expr) ?? [];
        if (kept !== undefined) expect(kept.split(', '), title).to.include.members(labels);
      }
    }
  });

  it('lays no panel over another', () => {
    const places = panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`);
    expect(new Set(places).size).to.equal(panels.length);
  });
});
