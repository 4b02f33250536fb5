// What `kubectl get` shows of each resource. Columns with priority 1 appear with -o wide only.

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: 1;
}

function column(name: string, jsonPath: string, description: string): PrinterColumn {
  return { name, type: 'string', jsonPath, description };
}

function wide(name: string, jsonPath: string, description: string): PrinterColumn {
  return { ...column(name, jsonPath, description), priority: 1 };
}

const readyPath = (field: string): string => `.status.conditions[?(@.type=="Ready")].${field}`;
const ready = column('Ready', readyPath('status'), 'Whether everything works.');
const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const why = [
  wide('Reason', readyPath('reason'), 'Why Ready is what it is, in one word.'),
  wide('Message', readyPath('message'), 'Why Ready is what it is, and what to do.'),
];

export const connectionColumns: readonly PrinterColumn[] = [
  column('Project', '.status.projectEndpoint', 'Endpoint of the rstream project.'),
  column('Engine', '.status.engine', 'Address of the engine.'),
  ready,
  age,
  ...why,
  wide('Region', '.status.region', 'Region of the project.'),
];

export const tunnelColumns: readonly PrinterColumn[] = [
  ready,
  column('Protocol', '.spec.protocol', 'What visitors speak to the edge.'),
  column('Target', '.status.target', 'Where traffic goes.'),
  column('Address', '.status.forwardingAddress', 'Where visitors reach the Service.'),
  age,
  ...why,
  wide('Pod', '.status.agentPod', 'Pod that holds the tunnel.'),
];
