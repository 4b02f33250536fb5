// The Grafana dashboard, from a table: what each panel is called and what it asks Prometheus.

interface Panel {
  readonly title: string;
  readonly query: string;
  readonly legend: string;
  readonly unit?: string;
}

const PANELS: readonly Panel[] = [
  {
    title: 'Tunnels by condition',
    query: 'sum by (condition, status) (rstream_tunnels)',
    legend: '{{condition}} {{status}}',
  },
  {
    title: 'Connections by condition',
    query: 'sum by (condition, status) (rstream_connections)',
    legend: '{{condition}} {{status}}',
  },
  {
    title: 'Reconciles',
    query: 'sum by (controller, result) (rate(controller_runtime_reconcile_total[5m]))',
    legend: '{{controller}} {{result}}',
    unit: 'ops',
  },
  {
    title: 'Reconcile time, 99th percentile',
    query:
      'histogram_quantile(0.99, sum by (controller, le) (rate(controller_runtime_reconcile_time_seconds_bucket[5m])))',
    legend: '{{controller}}',
    unit: 's',
  },
  { title: 'Work queues', query: 'sum by (name) (workqueue_depth)', legend: '{{name}}' },
  { title: 'Leader', query: 'leader_election_master_status', legend: '{{pod}}' },
];

const [WIDTH, HEIGHT] = [12, 8];

/** The dashboard as Grafana imports it. */
export function dashboardJson(): string {
  const dashboard = {
    uid: 'rstream-operator',
    title: 'rstream operator',
    tags: ['rstream'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }] },
    panels: PANELS.map(panelJson),
  };

  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function panelJson({ title, query, legend, unit = 'short' }: Panel, index: number): object {
  const [column, row] = [index % 2, Math.floor(index / 2)];

  return {
    id: index + 1,
    type: 'timeseries',
    title,
    datasource: { type: 'prometheus', uid: '$datasource' },
    fieldConfig: { defaults: { unit }, overrides: [] },
    gridPos: { x: column * WIDTH, y: row * HEIGHT, w: WIDTH, h: HEIGHT },
    targets: [{ refId: 'A', expr: query, legendFormat: legend }],
  };
}
