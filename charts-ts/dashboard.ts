// The Grafana dashboard, from a table: what each panel is called and what it asks Prometheus.

interface Panel {
  readonly title: string;
  readonly query: string;
  readonly legend: string;
  readonly unit?: string;
}

/** Labels that the PodMonitor gives every series of an agent. */
const TUNNEL = 'namespace, rstream_io_tunnel_name';
const TUNNEL_LEGEND = '{{namespace}}/{{rstream_io_tunnel_name}}';

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
  {
    title: 'Agents whose tunnel is not online',
    query: `sum by (${TUNNEL}) (1 - rstream_agent_session_up)`,
    legend: TUNNEL_LEGEND,
  },
  {
    title: 'Open streams',
    query: `sum by (${TUNNEL}) (rstream_agent_streams_active)`,
    legend: TUNNEL_LEGEND,
  },
  {
    title: 'Traffic',
    query: `sum by (${TUNNEL}, to) (rate(rstream_agent_bytes_total[5m]))`,
    legend: `${TUNNEL_LEGEND} to {{to}}`,
    unit: 'Bps',
  },
  {
    title: 'Failed streams',
    query: `sum by (${TUNNEL}, cause) (rate(rstream_agent_stream_failures_total[5m]))`,
    legend: `${TUNNEL_LEGEND} {{cause}}`,
    unit: 'ops',
  },
  {
    title: 'Reconnects',
    query: `sum by (${TUNNEL}, cause) (rate(rstream_agent_reconnects_total[5m]))`,
    legend: `${TUNNEL_LEGEND} {{cause}}`,
    unit: 'ops',
  },
  {
    title: 'Time to dial a stream back, 99th percentile',
    query: `histogram_quantile(0.99, sum by (${TUNNEL}, le) (rate(rstream_agent_dial_back_seconds_bucket[5m])))`,
    legend: TUNNEL_LEGEND,
    unit: 's',
  },
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
